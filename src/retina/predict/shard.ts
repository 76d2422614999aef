/** Which part of a list of pictures is this process's, as asked for or as the launcher of many processes says. */
import { GmtlError } from '../../engine/errors.ts';
import { launcherOf } from '../../engine/node/launcher.ts';

/** Part `index` of `count`, counted from 1. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

/** Variables of launchers that number processes without joining them, with the number of the first; `count` where they say how many. */
const NUMBERED = [
  {
    name: 'a Slurm array',
    index: 'SLURM_ARRAY_TASK_ID',
    first: 'SLURM_ARRAY_TASK_MIN',
    count: 'SLURM_ARRAY_TASK_COUNT',
  },
  { name: 'a Kubernetes Indexed Job', index: 'JOB_COMPLETION_INDEX', first: 0, count: null },
  { name: 'GNU parallel', index: 'PARALLEL_SEQ', first: 1, count: null },
] as const;

const HOW =
  'Write --shard 3/10, or --shard auto/10 under a launcher that numbers its processes but does not say how many';

/**
 * Reads `i/n` (i from 1 to n), `auto` or `auto/n`.
 *
 * @throws GmtlError `infer/shard` for anything else, and where no launcher is recognized or it says less or other than is needed.
 */
export function parseShard(text: string, environment: NodeJS.ProcessEnv): Shard {
  const [, place, total] = /^(\d+|auto)(?:\/(\d+))?$/.exec(text) ?? [];
  const count = total === undefined ? null : Number(total);
  if (place === undefined || count === 0 || (place !== 'auto' && count === null)) {
    throw new GmtlError('infer/shard', `--shard ${text} is not part of a list. ${HOW}.`);
  }
  const shard = place === 'auto' ? fromLauncher(environment, count) : { index: Number(place), count: count as number };
  if (shard.index < 1 || shard.index > shard.count) {
    throw new GmtlError(
      'infer/shard',
      `--shard ${text}: part ${shard.index} of ${shard.count} does not exist. ${HOW}.`,
    );
  }
  return shard;
}

function fromLauncher(environment: NodeJS.ProcessEnv, given: number | null): Shard {
  for (const { name, index, first, count } of NUMBERED) {
    const own = environment[index];
    if (own === undefined || !/^\d+$/.test(own)) continue;
    const start = typeof first === 'number' ? first : Number(environment[first] ?? 0);
    const said = count === null ? null : Number(environment[count] ?? Number.NaN);
    const total = given ?? said;
    if (total === null || Number.isNaN(total)) {
      throw new GmtlError('infer/shard', `--shard auto: ${name} does not say how many processes there are. ${HOW}.`);
    }
    return { index: Number(own) - start + 1, count: total };
  }
  const launcher = launcherOf(environment);
  if (!launcher) {
    throw new GmtlError(
      'infer/shard',
      `--shard auto: no launcher is recognized (Slurm arrays and srun, Kubernetes Indexed Jobs, Open MPI, MPICH, GNU parallel). ${HOW}.`,
    );
  }
  if (given !== null && given !== launcher.size) {
    throw new GmtlError(
      'infer/shard',
      `--shard auto/${given}: ${launcher.name} started ${launcher.size} processes. ${HOW}.`,
    );
  }
  return { index: launcher.rank + 1, count: launcher.size };
}

/** Every `count`-th of a list, from the shard's own place on: parts are alike in what they cost. */
export function partOf<T>(list: readonly T[], { index, count }: Shard): T[] {
  return list.filter((_, place) => place % count === index - 1);
}

/** The folder of a shard's results within those of all. */
export const shardFolder = ({ index, count }: Shard): string => `shard-${index}-of-${count}`;

/** The shard whose results a folder of that name holds; null for other names. */
export function shardOfFolder(name: string): Shard | null {
  const [, index, count] = /^shard-(\d+)-of-(\d+)$/.exec(name) ?? [];
  return index === undefined ? null : { index: Number(index), count: Number(count) };
}
