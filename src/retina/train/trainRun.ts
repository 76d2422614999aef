/** One training run of `gmtl train`, from a prepared folder to its report. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { summariseDataset } from '../data/sets/datasetFingerprint.ts';
import { type Dataset, STRUCTURES, selectItems } from '../domain.ts';
import { GmtlError } from '../../engine/errors.ts';
import type { GpuDevice } from '../../engine/gpu/device.ts';
import { writeFileAtomic } from '../../engine/node/atomic.ts';
import { CHECKPOINT_FOLDER, cleanCheckpoints, type LoadedCheckpoint } from '../run/checkpoint.ts';
import { rankedSteps } from '../run/checkpointRanking.ts';
import { BATCH_COLUMNS, EPOCH_COLUMNS } from './columns.ts';
import type { TrainConfig } from '../config/resolve.ts';
import { writeEnvironment } from '../run/environment.ts';
import { finishRun, readFinished } from '../run/finished.ts';
import { formatInitReport, initFromFile } from './init.ts';
import { openRunLogs } from '../run/logs.ts';
import { MisrouteLog } from '../run/misroutes.ts';
import { precisionNote, usablePrecision } from '../network/precision.ts';
import { startProgress } from './progress.ts';
import { timeStamp } from '../run/runFolder.ts';
import { EventWriter } from '../run/tensorboard.ts';
import { Trainer } from './trainer.ts';
import { withEngine } from '../../engine/node/createEngine.ts';
import { drawCurves, drawMetricsPlot, finalReport, reportVerification } from './runReport.ts';

/** A run whose folder, configuration and data are ready. */
export interface Prepared {
  readonly folder: string;
  readonly config: TrainConfig;
  readonly dataset: Dataset;
  readonly resume: LoadedCheckpoint | undefined;
}

/** Refuses a batch beyond the adapter before its pictures are read, which takes minutes for a large one. */
function requireBatchFits(config: TrainConfig, device: GpuDevice): void {
  const { segmentationPerBatch, classificationPerBatch, imageSize } = config.data;
  const count = segmentationPerBatch + classificationPerBatch;
  const bytes = 4 * imageSize ** 2 * Math.max(3 * count, STRUCTURES.length * segmentationPerBatch);
  const { maxBufferSize, maxStorageBufferBindingSize } = device.target.limits;
  const limit = Math.min(maxBufferSize, maxStorageBufferBindingSize);
  if (bytes > limit) {
    throw new GmtlError(
      'train/batch-too-large',
      `a batch of ${count} images of ${imageSize}x${imageSize} takes ${bytes} bytes, but one buffer of this adapter (${device.name}) ` +
        `holds at most ${limit}: lower data.segmentationPerBatch, data.classificationPerBatch or data.imageSize`,
    );
  }
}

/** Whether a run folder has neither a checkpoint nor a logged step. */
export function isBarren(folder: string): boolean {
  const logged = statSync(join(folder, 'batches.jsonl'), { throwIfNoEntry: false })?.size ?? 0;
  return logged === 0 && readdirSync(join(folder, CHECKPOINT_FOLDER)).length === 0;
}

export interface RunOptions {
  readonly adapter: string;
  /** Only hold the first step's ops against their references. */
  readonly verify?: boolean;
  /** Score the test split at the end. Default true. */
  readonly test?: boolean;
}

/** Trains one run until it is finished (true) or stopped by a signal (false). The caller holds the folder's lock. */
export async function runTraining(
  { folder, config, dataset, resume }: Prepared,
  { adapter, verify = false, test = true }: RunOptions,
): Promise<boolean> {
  await cleanCheckpoints(join(folder, CHECKPOINT_FOLDER));
  return withEngine({ adapter, seed: config.training.seed }, async ({ engine, device, opened }) => {
    requireBatchFits(config, device);
    const counts = (['train', 'val', 'test'] as const).map((split) => `${selectItems(dataset, split).length} ${split}`);
    const { vendor, architecture, device: chip, description } = device.info;
    const summary = await summariseDataset(dataset.items);
    writeEnvironment(folder, {
      adapter: { name: device.name, kind: opened.kind, reason: opened.reason, vendor, architecture, chip, description },
      data: JSON.parse(JSON.stringify({ source: dataset.source, ...summary })),
      precision: usablePrecision(engine, config),
      command: process.argv.slice(2),
      seed: config.training.seed,
    });
    console.error(`adapter  ${device.name} (${opened.reason})`);
    const note = precisionNote(engine, config, 'training');
    if (note !== null) console.error(note);
    console.error(`images   ${counts.join(', ')}`);
    console.error(`run      ${folder}`);
    // A run that was killed before its first checkpoint begins anew: its rows go.
    const begun = existsSync(join(folder, 'batches.jsonl')) ? 0 : undefined;
    const resumeStep = resume?.manifest?.step ?? begun;
    const logs = openRunLogs(folder, {
      ...(resumeStep !== undefined && { resumeStep }),
      batchColumns: [...BATCH_COLUMNS],
      epochColumns: [...EPOCH_COLUMNS],
    });
    const events = config.training.tensorboard
      ? new EventWriter(join(folder, 'tensorboard'), resumeStep === undefined ? {} : { resumeStep })
      : undefined;
    const trainer = new Trainer({
      engine,
      config,
      dataset,
      checkpointFolder: join(folder, CHECKPOINT_FOLDER),
      logs,
      ...(events && { events }),
      misroutes: new MisrouteLog(join(folder, 'misroutes.csv'), resumeStep),
      progress: (totalSteps, startStep) =>
        startProgress({ totalSteps, startStep, totalEpochs: config.training.epochs }),
      ...(resume && { resume, rankedSteps: await rankedSteps(join(folder, CHECKPOINT_FOLDER)) }),
    });
    if (config.training.init !== null && !resume) {
      const report = await initFromFile(trainer.model, config.training.init);
      console.error(formatInitReport(report));
      await writeFileAtomic(join(folder, 'init.json'), `${JSON.stringify(report, null, 2)}\n`);
    }
    console.error(
      `network  ${trainer.model.parameterCount().toLocaleString('en')} parameters, ${trainer.totalSteps} steps`,
    );
    if (verify) {
      console.error('Holding every op of one step against its float64 reference; this takes a while …');
      try {
        reportVerification(await trainer.verify());
      } finally {
        logs.close();
        events?.close();
        trainer.dispose();
      }
      return true;
    }
    const interrupt = (): void => {
      console.error('\nStopping after this step; the run is saved and can be resumed. (Once more: stop at once.)');
      trainer.requestStop();
      process.once('SIGINT', () => process.exit(130));
    };
    process.once('SIGINT', interrupt);
    process.once('SIGTERM', interrupt);
    try {
      const result = await trainer.run();
      await drawCurves(folder);
      console.error(`waiting for data took ${(100 * result.waitShare).toFixed(1)} % of the time`);
      if (result.interrupted) {
        console.log(
          `Stopped at step ${result.step} of ${trainer.totalSteps}. Go on with: npx gmtl train --resume ${folder}`,
        );
        return false;
      }
      const { bestMetric: metric } = config.training;
      const finished =
        readFinished(folder) ?? (await finishRun(folder, { ...result, metric, stamp: timeStamp(new Date()) }));
      await drawMetricsPlot(folder, finished.stamp);
      if (test) await finalReport({ folder, dataset, trainer, finished });
      return true;
    } finally {
      for (const { item, reason } of trainer.source.skipped.values())
        console.error(`skipped  ${item.imagePath}: ${reason}`);
      process.removeListener('SIGINT', interrupt);
      process.removeListener('SIGTERM', interrupt);
      logs.close();
      events?.close();
      trainer.dispose();
    }
  });
}
