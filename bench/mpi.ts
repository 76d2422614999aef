/** The MPI launchers of this machine, as tests and benchmarks use them. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import type { LauncherCommand } from './trainProcess.ts';

/** One installed MPI. */
export interface InstalledMpi {
  readonly name: 'Open MPI' | 'MPICH';
  /**
   * Starts `ranks` processes on this machine, also where it has fewer cores, and as root in a container.
   *
   * @param folder holds what the launcher puts aside. All jobs of a user of Open MPI make and remove /tmp/ompi.HOST.UID, and one that starts in between
   * fails: "A call to mkdir was unable to create the desired directory" (1 of 340 starts, four at a time; none of 240 with folders of their own).
   */
  launch(ranks: number, folder: string): LauncherCommand;
}

const OPEN_MPI = {
  OMPI_ALLOW_RUN_AS_ROOT: '1',
  OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1',
  OMPI_MCA_rmaps_base_oversubscribe: '1',
  OMPI_MCA_hwloc_base_binding_policy: 'none',
  // Ranks that wait give way to those that compute: there are fewer cores than ranks.
  OMPI_MCA_mpi_yield_when_idle: '1',
};
const MPICH = { MPIR_CVAR_POLLS_BEFORE_YIELD: '1' };

/** The Open MPI and MPICH whose mpirun is found; Debian installs both beside each other under names of their own. */
export function installedMpis(): InstalledMpi[] {
  const found = new Map<InstalledMpi['name'], string>();
  for (const program of ['mpirun', 'mpirun.openmpi', 'mpirun.mpich']) {
    const { stdout } = spawnSync(program, ['--version'], { encoding: 'utf8' });
    if (stdout?.includes('Open MPI')) found.set('Open MPI', program);
    else if (stdout?.includes('HYDRA')) found.set('MPICH', program);
  }
  return [...found].map(([name, program]) => ({
    name,
    launch: (ranks, folder) => ({
      words: [program, '-n', String(ranks)],
      environment:
        name === 'Open MPI' ? { ...OPEN_MPI, OMPI_MCA_orte_tmpdir_base: mkdtempSync(join(folder, 'mpi-')) } : MPICH,
    }),
  }));
}
