/** One training run, from a prepared folder to its report. */
import { summarizeDataset } from '../data/sets/datasetFingerprint.ts';
import { type Dataset, STRUCTURES, selectItems } from '../domain.ts';
import { GmtlError } from '../../engine/errors.ts';
import type { GpuDevice } from '../../engine/gpu/device.ts';
import { withEngine } from '../../engine/node/createEngine.ts';
import type { AdapterChoice } from '../../engine/node/open.ts';
import type { TrainConfig } from '../config/schema.ts';
import { precisionNote, usablePrecision } from '../network/precision.ts';
import type { LoadedCheckpoint } from '../run/checkpoint.ts';
import type { RunFolder } from '../run/runFolder.ts';
import { BATCH_COLUMNS, EPOCH_COLUMNS } from './columns.ts';
import { formatInitReport, initFromFile } from './init.ts';
import { startProgress } from './progress.ts';
import { drawCurves, drawMetricsPlot, finalReport, reportVerification } from './runReport.ts';
import { Trainer } from './trainer.ts';

/** A run whose folder, configuration and data are ready. */
export interface PreparedRun {
  readonly run: RunFolder;
  readonly dataset: Dataset;
  /** The checkpoint to go on from; absent: the run begins. */
  readonly resume?: LoadedCheckpoint;
}

/** How a run is carried out; none of it changes what is learned. */
export interface TrainRunOptions {
  /** Default and `auto`: the configuration's. */
  readonly adapter?: AdapterChoice;
  /** Only hold the first step's ops against their references. Default false. */
  readonly verify?: boolean;
  /** Score the test split at the end. Default true. */
  readonly test?: boolean;
  /** Aborting it ends training after the step under way, saved where it can be resumed. */
  readonly stop?: AbortSignal;
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

/**
 * Trains one run, printing as it goes, until it is finished (true) or asked to stop (false). The caller holds the run's lock.
 *
 * @throws GmtlError `train/batch-too-large`, and as {@link Trainer}, {@link initFromFile} and the readers and writers of the run.
 */
export async function trainRun(
  { run, dataset, resume }: PreparedRun,
  { adapter = 'auto', verify = false, test = true, stop }: TrainRunOptions = {},
): Promise<boolean> {
  const config = run.config();
  await run.checkpoints.clean();
  const choice = adapter === 'auto' ? config.adapter : adapter;
  return withEngine({ adapter: choice, seed: config.training.seed }, async ({ engine, device, opened }) => {
    requireBatchFits(config, device);
    const counts = (['train', 'val', 'test'] as const).map((split) => `${selectItems(dataset, split).length} ${split}`);
    const { vendor, architecture, device: chip, description } = device.info;
    const summary = await summarizeDataset(dataset.items);
    run.writeEnvironment({
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
    console.error(`run      ${run.path}`);
    // A run that was killed before its first checkpoint begins anew: its rows go.
    const resumeStep = resume?.manifest?.step ?? (run.hasLog('batches') ? 0 : undefined);
    const logs = run.logs({ resumeStep, batchColumns: BATCH_COLUMNS, epochColumns: EPOCH_COLUMNS });
    const events = config.training.tensorboard ? run.events(resumeStep) : undefined;
    const trainer = new Trainer({
      engine,
      config,
      dataset,
      checkpoints: run.checkpoints,
      logs,
      ...(events && { events }),
      misroutes: run.misroutes(resumeStep),
      progress: (totalSteps, startStep) =>
        startProgress({ totalSteps, startStep, totalEpochs: config.training.epochs }),
      ...(resume && { resume, rankedSteps: await run.checkpoints.rankedSteps() }),
    });
    if (config.training.init !== null && !resume) {
      const report = await initFromFile(trainer.model, config.training.init);
      console.error(formatInitReport(report));
      await run.writeInitReport(report);
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
    try {
      const result = await trainer.run(stop);
      await drawCurves(run);
      console.error(`waiting for data took ${(100 * result.waitShare).toFixed(1)} % of the time`);
      if (result.interrupted) {
        console.log(
          result.step === 0
            ? 'Stopped before the first step: there is nothing to go on from.'
            : `Stopped at step ${result.step} of ${trainer.totalSteps}. Go on with: npx gmtl train --resume ${run.path}`,
        );
        return false;
      }
      const finished = run.finished() ?? (await run.finish({ ...result, metric: config.training.bestMetric }));
      await drawMetricsPlot(run, finished.stamp);
      if (stop?.aborted) console.log(`All steps are done. Score the test split with: npx gmtl evaluate ${run.path}`);
      else if (test) await finalReport({ run, dataset, trainer, finished });
      return true;
    } finally {
      for (const { item, reason } of trainer.source.skipped.values())
        console.error(`skipped  ${item.imagePath}: ${reason}`);
      logs.close();
      events?.close();
      trainer.dispose();
    }
  });
}
