/** What a finished run leaves beside its checkpoints: weights under names with a time stamp, and a record that it is finished. */
import { link, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { GmtlError } from '../../engine/errors.ts';
import { describeWriteError, errorCode, readIfPresent, writeFileAtomic } from '../../engine/node/atomic.ts';
import { Checkpoints } from './checkpoints.ts';
import { RUN_FILES, stampedNames } from './fileNames.ts';
import { timeStamp } from './makeFolder.ts';
import { parseStored } from './storedJson.ts';

const finishedSchema = z.object({
  /** The time stamp in the files' names. */
  stamp: z.string(),
  step: z.int(),
  epoch: z.int(),
  stoppedEarly: z.boolean(),
  metric: z.string(),
  /** Null where the figure was never defined. */
  best: z.number().nullable(),
  /** Step of the best checkpoint; null where there is none. */
  bestStep: z.int().nullable(),
  /** Weights files in the run folder; `best` is null where validation never gave a figure. */
  files: z.object({ best: z.string().nullable(), final: z.string() }),
});

/** `finished.json` of a run folder. */
export type Finished = z.infer<typeof finishedSchema>;

/** How a run ended. */
export interface RunResult extends Pick<Finished, 'step' | 'epoch' | 'stoppedEarly' | 'metric'> {
  /** The best value of `metric`; NaN where it was never defined. */
  readonly best: number;
}

/** The record of a finished run; null where the run is not finished. @throws GmtlError `run/finished` for a damaged one. */
export function readFinished(runFolder: string): Finished | null {
  const path = join(runFolder, RUN_FILES.finished);
  const text = readIfPresent(path);
  if (text === undefined) return null;
  return parseStored(finishedSchema, text, { path, code: 'run/finished', remedy: 'Delete it and resume the run.' });
}

/**
 * Puts `best_model_<stamp>.safetensors` and `final_model_<stamp>.safetensors` into the run folder, the weights that are evaluated (the
 * averages where there are any) of the checkpoints `best` and `last`, and `finished.json` last. Hard links where the file system has them,
 * else copies: they stay when checkpoints are removed.
 */
export async function finishRun(
  runFolder: string,
  { step, epoch, stoppedEarly, metric, best: value }: RunResult,
): Promise<Finished> {
  const stamp = timeStamp(new Date());
  const checkpoints = new Checkpoints(runFolder);
  const place = async (checkpoint: string, name: string): Promise<number> => {
    const { manifest, path } = await checkpoints.load({ name: checkpoint, roles: [] });
    if (!manifest) throw new GmtlError('checkpoint/invalid', `${path}: a checkpoint of a run has a manifest`);
    const { name: file } = manifest.files.ema ?? manifest.files.weights;
    await linkOrCopy(join(checkpoints.folder, file), join(runFolder, name));
    return manifest.step;
  };
  const { bestModel, finalModel: final } = stampedNames(stamp);
  const best = checkpoints.has('best') ? bestModel : null;
  await place('last', final);
  const bestStep = best === null ? null : await place('best', best);
  const finished: Finished = {
    stamp,
    step,
    epoch,
    stoppedEarly,
    metric,
    best: Number.isFinite(value) ? value : null,
    bestStep,
    files: { best, final },
  };
  await writeFileAtomic(join(runFolder, RUN_FILES.finished), `${JSON.stringify(finished, null, 2)}\n`);
  return finished;
}

async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    const code = errorCode(error);
    if (code === 'EEXIST') return;
    if (
      code === undefined ||
      !['EPERM', 'EACCES', 'EXDEV', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK', 'ENOSYS', 'EINVAL'].includes(code)
    )
      throw describeWriteError(error, to);
    await writeFileAtomic(to, await readFile(from));
  }
}
