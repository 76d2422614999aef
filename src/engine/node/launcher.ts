/** Which launcher started this process as one of several, by the variables that it sets. */

/** A launcher that started several processes of one program. */
export interface Launcher {
  readonly name: string;
  readonly rank: number;
  readonly size: number;
  /** Place among the processes on this machine; null where the launcher does not say. */
  readonly localRank: number | null;
}

/** Variables of launchers that start the ranks of one MPI job. Slurm's step variables are set by srun alone, not in a batch script. */
const LAUNCHERS = [
  {
    name: 'Open MPI',
    rank: 'OMPI_COMM_WORLD_RANK',
    size: 'OMPI_COMM_WORLD_SIZE',
    local: 'OMPI_COMM_WORLD_LOCAL_RANK',
  },
  { name: 'srun', rank: 'SLURM_PROCID', size: 'SLURM_STEP_NUM_TASKS', local: 'SLURM_LOCALID' },
  { name: "MPICH's mpirun", rank: 'PMI_RANK', size: 'PMI_SIZE', local: 'MPI_LOCALRANKID' },
] as const;

const whole = (text: string | undefined): number | null =>
  text !== undefined && /^\d+$/.test(text) ? Number(text) : null;

/** The launcher that the environment tells of; null where this process was started alone. */
export function launcherOf(environment: NodeJS.ProcessEnv): Launcher | null {
  for (const { name, rank, size, local } of LAUNCHERS) {
    const [ownRank, count] = [whole(environment[rank]), whole(environment[size])];
    if (ownRank !== null && count !== null) {
      return { name, rank: ownRank, size: count, localRank: whole(environment[local]) };
    }
  }
  return null;
}
