/** Cross-validation of `gmtl train --folds`: one run a fold in a folder of its own, and a summary. */
import { existsSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { loadMetadata, writeMetadata } from '../src/retina/data/sets/metadata.ts';
import type { Dataset } from '../src/retina/domain.ts';
import { GmtlError } from '../src/engine/errors.ts';
import { writeFileAtomic } from '../src/engine/node/atomic.ts';
import { CHECKPOINT_FOLDER, loadCheckpoint } from '../src/retina/run/checkpoint.ts';
import type { TrainConfig } from '../src/retina/config/resolve.ts';
import { readFinished } from '../src/retina/run/finished.ts';
import { formatFolds, readFold, summariseFolds } from '../src/retina/train/crossValidation.ts';
import { acquireRunLock, createRunFolder, readRunConfig, writeRunConfig } from '../src/retina/run/runFolder.ts';
import { runTraining } from '../src/retina/train/trainRun.ts';

const FOLDS = 'folds.json';
const METADATA = 'metadata.json';
const foldFolder = (folder: string, fold: number): string => join(folder, `fold-${fold + 1}`);

/** Whether a folder holds a cross-validation. */
export const isCrossValidation = (folder: string): boolean => existsSync(join(folder, FOLDS));

/** Makes the folders of all folds, each with its configuration and its deal of the images. `open` reads the data as a fold deals it. */
export async function prepareFolds(
  run: { readonly out: string | undefined; readonly preset: string | undefined },
  config: TrainConfig,
  folds: number,
  open: (config: TrainConfig) => Promise<Dataset>,
): Promise<string> {
  const own = Array.from({ length: folds }, (_, fold) => ({ ...config, data: { ...config.data, folds, fold } }));
  const datasets = await Promise.all(own.map(open));
  for (const note of new Set(datasets.flatMap(({ notes }) => notes))) console.error(`note: ${note}`);
  const { path, checkpoints } = createRunFolder({
    ...(run.out !== undefined && { folder: run.out }),
    ...(run.preset !== undefined && { preset: `${run.preset}-folds` }),
  });
  rmdirSync(checkpoints);
  for (const [fold, foldConfig] of own.entries()) {
    const { path: folder } = createRunFolder({ folder: foldFolder(path, fold) });
    writeRunConfig(folder, foldConfig);
    await writeMetadata(join(folder, METADATA), datasets[fold].items);
  }
  // Written last: with it the folder can be resumed.
  await writeFileAtomic(join(path, FOLDS), `${JSON.stringify({ folds })}\n`);
  return path;
}

/** Trains every fold that is not finished, one after the other, and summarises them. Stops where a signal stops a fold. */
export async function trainFolds(folder: string, adapter: string): Promise<void> {
  const { folds } = readFolds(folder);
  const lock = acquireRunLock(folder);
  try {
    for (let fold = 0; fold < folds; fold++) {
      const own = foldFolder(folder, fold);
      if (readFinished(own)) {
        console.error(`fold ${fold + 1} of ${folds} is finished: ${own}`);
        continue;
      }
      console.error(`fold ${fold + 1} of ${folds}`);
      const config = readRunConfig(own);
      const begun = existsSync(join(own, CHECKPOINT_FOLDER, 'last.json'));
      const resume = begun ? await loadCheckpoint(own, { name: 'last' }) : undefined;
      const dataset = await loadMetadata(join(own, METADATA));
      const finished = await runTraining(
        { folder: own, config, dataset, resume },
        { adapter: adapter === 'auto' ? config.adapter : adapter, test: false },
      );
      if (!finished) {
        console.log(`The cross-validation goes on with: npx gmtl train --resume ${folder}`);
        return;
      }
    }
  } finally {
    lock.release();
  }
  const summary = summariseFolds(Array.from({ length: folds }, (_, fold) => readFold(foldFolder(folder, fold), fold)));
  const text = formatFolds(summary);
  await writeFileAtomic(join(folder, 'summary.json'), `${JSON.stringify(summary, null, 2)}\n`);
  await writeFileAtomic(join(folder, 'summary.txt'), `${text}\n`);
  console.log(text);
  console.log(`summary     ${join(folder, 'summary.json')}, ${join(folder, 'summary.txt')}`);
}

function readFolds(folder: string): { folds: number } {
  const path = join(folder, FOLDS);
  try {
    return z.object({ folds: z.int().min(2) }).parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (cause) {
    throw new GmtlError(
      'run/folds',
      `${path}: damaged (${(cause as Error).message}). Start the cross-validation anew.`,
      {
        cause,
      },
    );
  }
}
