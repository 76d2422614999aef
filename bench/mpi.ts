/** The MPI launchers of this machine, as tests and benchmarks use them. */
import { spawnSync } from 'node:child_process';
import type { LauncherCommand } from './trainProcess.ts';

/** One installed MPI. */
export interface InstalledMpi {
  readonly name: 'Open MPI' | 'MPICH';
  /** Starts `ranks` processes on this machine, also where it has fewer cores, and as root in a container. */
  launch(ranks: number): LauncherCommand;
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
    launch: (ranks) => ({
      words: [program, '-n', String(ranks)],
      environment: name === 'Open MPI' ? OPEN_MPI : MPICH,
    }),
  }));
}
