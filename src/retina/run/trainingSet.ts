/** Reads and writes a run's `training-set.json`. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { readIfPresent, writeFileAtomic } from '../../engine/node/atomic.ts';
import { RUN_FILES } from './fileNames.ts';
import { parseStored } from './storedJson.ts';
import { type TrainingSet, trainingSetSchema } from './trainingSetFormat.ts';

export async function writeTrainingSet(runFolder: string, set: TrainingSet): Promise<void> {
  await writeFileAtomic(join(runFolder, RUN_FILES.trainingSet), `${JSON.stringify(set, null, 2)}\n`);
}

/** Null for a run that did not record it, as those of before version 0.2. @throws GmtlError `run/training-set` for a damaged record. */
export function readTrainingSet(runFolder: string): TrainingSet | null {
  const path = join(runFolder, RUN_FILES.trainingSet);
  const text = readIfPresent(path);
  if (text === undefined) return null;
  const remedy = 'Restore it from a copy of the run, or delete it.';
  return parseStored(trainingSetSchema, text, { path, code: 'run/training-set', remedy });
}

/** The record of the run that a weights file belongs to: beside it, or in the folder above. Null where there is none. */
export function trainingSetOf(weightsFile: string): TrainingSet | null {
  const near = dirname(weightsFile);
  return readTrainingSet(existsSync(join(near, RUN_FILES.trainingSet)) ? near : dirname(near));
}
