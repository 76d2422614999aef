/** One training run, from a prepared folder to its report. */
import { countItems, fingerprintOf, recordItems } from '../data/sets/datasetFingerprint.ts';
import { preparePictures } from '../data/loading/preparePictures.ts';
import { type Dataset, type DatasetItem, STRUCTURES, selectItems } from '../domain.ts';
import { GmtlError } from '../../engine/errors.ts';
import { shellWord } from '../run/shellWord.ts';
import type { GpuDevice } from '../../engine/gpu/device.ts';
import { withEngine } from '../../engine/node/createEngine.ts';
import type { AdapterChoice } from '../../engine/node/open.ts';
import type { Ranks } from '../../engine/node/ranks.ts';
import type { TrainConfig } from '../config/schema.ts';
import { untaughtMasksNote } from '../config/taught.ts';
import { precisionNote, usablePrecision } from '../network/precision.ts';
import type { LoadedCheckpoint } from '../run/checkpoint.ts';
import { printable } from '../../engine/printable.ts';
import type { RunLock } from '../run/lock.ts';
import type { RunFolder } from '../run/runFolder.ts';
import { BATCH_COLUMNS, EPOCH_COLUMNS } from './columns.ts';
import { describeTrainingSet } from './describeTrainingSet.ts';
import { formatInitReport, initFromFile } from './init.ts';
import { NO_PROGRESS, orStop, sayHowFar, startProgress } from './progress.ts';
import { RANK_COLUMNS } from './rankWatch.ts';
import { requireAlike } from './ranksAlike.ts';
import { drawCurves, drawMetricsPlot, finalReport, reportVerification } from './runReport.ts';
import { Trainer } from './trainer.ts';

/** A run whose folder, configuration and data are ready. */
export interface PreparedRun {
  /** Null on ranks other than 0, which write nothing. */
  readonly run: RunFolder | null;
  /** On the run or its cross-validation: nothing is saved once another process has it. Absent on ranks other than 0. */
  readonly lock?: Pick<RunLock, 'confirm'>;
  readonly config: TrainConfig;
  readonly dataset: Dataset;
  /** The checkpoint to go on from; absent: the run begins. */
  readonly resume?: LoadedCheckpoint | undefined;
  /** Steps of the best checkpoints that a resumed run's folder holds. Default: read from it. */
  readonly rankedSteps?: readonly number[];
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
  /** The processes that train together; null (default): this one alone. All call with the same configuration and data. */
  readonly ranks?: Ranks | null;
}

/** What only rank 0 has: where a run's rows and checkpoints go. */
function openWriters(run: RunFolder, config: TrainConfig, ranks: Ranks | null, resume: LoadedCheckpoint | undefined) {
  // A run that was killed before its first checkpoint begins anew: its rows go.
  const resumeStep = resume?.manifest?.step ?? (run.hasLog('batches') ? 0 : undefined);
  const logs = run.logs({ resumeStep, batchColumns: BATCH_COLUMNS, epochColumns: EPOCH_COLUMNS });
  const events = config.training.tensorboard ? run.events(resumeStep) : undefined;
  const rankLog = ranks ? run.rankLog(resumeStep, RANK_COLUMNS) : undefined;
  return {
    logs,
    ...(events && { events }),
    ...(rankLog && { rankLog }),
    misroutes: run.misroutes(resumeStep),
    checkpoints: run.checkpoints,
    close(): void {
      logs.close();
      rankLog?.close();
      events?.close();
    },
  };
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

/** Draws what only shows the run: where that fails, the run stands, and the failure is said. */
async function byProduct(what: string, draw: () => Promise<void>): Promise<void> {
  try {
    await draw();
  } catch (error) {
    console.error(`note: ${what} could not be drawn (${error instanceof Error ? error.message : String(error)})`);
  }
}

/** The pictures that a run will ask for: not those of a task that it does not train, nor a test split that it does not score. */
function picturesOf({ items }: Dataset, { data }: TrainConfig, test: boolean): DatasetItem[] {
  const perBatch = { segmentation: data.segmentationPerBatch, classification: data.classificationPerBatch };
  return items.filter(({ split, task }) => (split === 'train' ? perBatch[task] > 0 : split === 'val' || test));
}

/**
 * Trains one run, printing as it goes, until it is finished (true) or asked to stop (false). The caller holds the run's lock. Of several
 * ranks, rank 0 prints and writes. Aborting `stop` while files are read rejects with its reason. Every picture is prepared once before the first step, which fills the cache: a bad one is reported then.
 *
 * @throws GmtlError `train/batch-too-large`, `ranks/…`, and as {@link Trainer}, {@link initFromFile} and the readers and writers of the run.
 */
export async function trainRun(
  { run, lock, config, dataset, resume, rankedSteps }: PreparedRun,
  { adapter = 'auto', verify = false, test = true, ranks = null, stop }: TrainRunOptions = {},
): Promise<boolean> {
  const say = (text: string): void => {
    if (run) console.error(text);
  };
  // Ranks stop together, once they step.
  const records = await recordItems(dataset.items, orStop(ranks ? undefined : stop));
  if (!resume) await run?.writePictures(records);
  // The run's list follows its images; ids, splits and labels are the same.
  await run?.writeItems(dataset.items);
  await run?.checkpoints.clean();
  const choice = adapter === 'auto' ? config.adapter : adapter;
  return withEngine({ adapter: choice, seed: config.training.seed }, async ({ engine, device, opened }) => {
    requireBatchFits(config, device);
    const counts = (['train', 'val', 'test'] as const).map((split) => `${selectItems(dataset, split).length} ${split}`);
    const { vendor, architecture, device: chip, description } = device.info;
    const begunOn = resume ? run?.environment()?.adapter?.name : undefined;
    if (begunOn !== undefined && begunOn !== device.name) {
      say(
        `note: the run began on ${begunOn}; on ${device.name} it goes on, but not bit for bit as it would have there`,
      );
    }
    const summary = { sha256: fingerprintOf(records), counts: countItems(dataset.items) };
    run?.writeEnvironment({
      adapter: { name: device.name, kind: opened.kind, reason: opened.reason, vendor, architecture, chip, description },
      data: JSON.parse(JSON.stringify({ source: dataset.source, ...summary })),
      precision: usablePrecision(engine, config),
      command: process.argv.slice(2),
      seed: config.training.seed,
    });
    say(`adapter  ${device.name}: ${opened.reason}`);
    const note = precisionNote(engine, config, 'training');
    if (note !== null) say(note);
    say(`images   ${counts.join(', ')}`);
    if (!verify) say(`run      ${run?.path}`);
    const writers = run && openWriters(run, config, ranks, resume);
    let trainer: Trainer | null = null;
    try {
      trainer = new Trainer({
        ...{ engine, config, dataset, ranks },
        ...writers,
        ...(lock && { lock }),
        progress: (totalSteps, startStep) =>
          run ? startProgress({ totalSteps, startStep, totalEpochs: config.training.epochs }) : NO_PROGRESS,
        ...(resume && { resume, rankedSteps: rankedSteps ?? (await run?.checkpoints.rankedSteps()) ?? [] }),
      });
      if (config.training.init !== null && !resume) {
        const report = await initFromFile(trainer.model, config.training.init);
        say(printable(formatInitReport(report)));
        await run?.writeInitReport(report);
      }
      const steps = `${trainer.totalSteps} step${trainer.totalSteps === 1 ? '' : 's'}`;
      const untaught = run && untaughtMasksNote(config);
      if (untaught) say(`warning: ${untaught}`);
      say(`network  ${trainer.model.parameterCount().toLocaleString('en')} parameters, ${steps}`);
      if (run?.finished()) say(`note: the run is finished: all ${steps} are done, and nothing more is trained`);
      if (ranks) {
        const kernels = { precision: usablePrecision(engine, config), choice: opened.kind };
        const notes = await requireAlike(ranks, {
          config,
          device,
          data: summary.sha256,
          model: trainer.model,
          kernels,
        });
        for (const each of notes) say(each);
      }
      if (verify) {
        console.error('Holding every op of one step against its float64 reference; this takes a while …');
        reportVerification(await trainer.verify());
        return true;
      }
      const learner = trainer;
      const pictures = picturesOf(dataset, config, test);
      await preparePictures(pictures, (item) => learner.prepare(item), stop, sayHowFar('pictures prepared', say));
      if (run && run.trainingSet() === null && !stop?.aborted) {
        const usable = ({ split, id }: DatasetItem): boolean => split === 'train' && !learner.source.skipped.has(id);
        await run.writeTrainingSet(await describeTrainingSet(pictures.filter(usable), config.training.init));
      }
      const result = await trainer.run(stop);
      if (!run) return !result.interrupted;
      await byProduct('the curves', () => drawCurves(run));
      console.error(`waiting for data took ${(100 * result.waitShare).toFixed(1)} % of the time`);
      if (result.interrupted) {
        console.log(
          result.step === 0
            ? 'Stopped before the first step: there is nothing to go on from.'
            : `Stopped at step ${result.step} of ${trainer.totalSteps}. Go on with: npx gmtl train --resume ${shellWord(run.path)}`,
        );
        return false;
      }
      const finished = run.finished() ?? (await run.finish({ ...result, metric: config.training.bestMetric }));
      await byProduct('the metrics plot', () => drawMetricsPlot(run, finished.stamp));
      if (stop?.aborted)
        console.log(`All steps are done. Score the test split with: npx gmtl evaluate ${shellWord(run.path)}`);
      else if (test) await finalReport({ run, dataset, trainer, finished, adapter: device.name });
      return true;
    } finally {
      for (const { item, reason } of trainer?.source.skipped.values() ?? [])
        console.error(`skipped  ${item.imagePath}: ${reason}`);
      writers?.close();
      trainer?.dispose();
    }
  });
}
