/** Reads and writes a run's `training-set.json`. */
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { GmtlError } from '../../engine/errors.ts';
import { readIfPresent, writeFileAtomic } from '../../engine/node/atomic.ts';
import { readRunConfig } from './config.ts';
import { RUN_FILES } from './fileNames.ts';
import { parseStored } from './storedJson.ts';
import { shownText, type TrainingSet, trainingSetSchema } from './trainingSetFormat.ts';

export async function writeTrainingSet(runFolder: string, set: TrainingSet): Promise<void> {
  await writeFileAtomic(join(runFolder, RUN_FILES.trainingSet), `${JSON.stringify(set, null, 2)}\n`);
}

/** Null for a run that did not record it, as those of before version 0.2; what such a run began with is read from its settings. @throws GmtlError `run/training-set` for a damaged record. */
export function readTrainingSet(runFolder: string): TrainingSet | null {
  const path = join(runFolder, RUN_FILES.trainingSet);
  const text = readIfPresent(path);
  if (text === undefined) return null;
  const remedy = 'Restore it from a copy of the run, or delete it.';
  const set = parseStored(trainingSetSchema, text, { path, code: 'run/training-set', remedy });
  if (set.startedFrom !== undefined || !existsSync(join(runFolder, RUN_FILES.config))) return set;
  const init = startIn(runFolder);
  // What X holds today need not be what it held then.
  return init === undefined
    ? set
    : { ...set, startedFrom: init === null ? null : { weights: basename(init), trainedOn: null } };
}

/** `training.init` of a run's settings; undefined where they cannot be read, which a checkpoint that has its own can do without. */
function startIn(runFolder: string): string | null | undefined {
  try {
    return readRunConfig(runFolder).training.init;
  } catch (error) {
    if (error instanceof GmtlError) return undefined;
    throw error;
  }
}

/** The record of the run that weights belong to: a run folder's, or a file's beside it or in the folder above. Null where there is none. */
export function trainingSetOf(weights: string): TrainingSet | null {
  const near = dirname(weights);
  const folder = [weights, near, dirname(near)].find((each) => existsSync(join(each, RUN_FILES.trainingSet)));
  return folder === undefined ? null : readTrainingSet(folder);
}

/** What is recorded of the weights that a network begins with. @param weights a file or a run folder; null: random ones. */
export function startOf(weights: string | null): TrainingSet['startedFrom'] {
  if (weights === null) return null;
  const set = trainingSetOf(weights);
  return { weights: basename(weights), trainedOn: set && shownText(set) };
}
