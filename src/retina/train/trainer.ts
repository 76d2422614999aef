/** The training loop: batches, steps, validation, checkpoints, logs. */
import type { Engine } from '../../engine/autograd/engine.ts';
import type { VerifiedOp } from '../../engine/check/verify.ts';
import type { Batch } from '../data/loading/batch.ts';
import { type Deal, SampleSource, TrainLoader } from '../data/loading/loader.ts';
import { type Dataset, type DatasetItem, selectItems } from '../domain.ts';
import { gatherValues, type Ranks } from '../../engine/node/ranks.ts';
import type { MultitaskNet } from '../network/network.ts';
import { Predictor } from '../predict/predictor.ts';
import type { Plateau, Schedule } from '../../engine/optim/index.ts';
import { bestMetric, Ranking } from './best.ts';
import { buildPlateau, buildSchedule } from './build.ts';
import { loaderSettings } from '../data/loading/settings.ts';
import type { LoadedCheckpoint } from '../run/checkpoint.ts';
import type { Checkpoints } from '../run/checkpoints.ts';
import { batchRow, EPOCH_COLUMNS, rawColumns, taughtBy, validationColumns } from './columns.ts';
import type { TrainConfig } from '../config/schema.ts';
import { evaluate } from '../evaluate/evaluate.ts';
import { type Evaluation, meanDice } from '../metrics/evaluation.ts';
import { countRoutes, EpochSums } from './epochSums.ts';
import type { RunLock } from '../run/lock.ts';
import type { Progress } from './progress.ts';
import { type ChangingParts, packTraining, restoreTraining } from './savedTraining.ts';
import type { StepReport } from './stepReport.ts';
import { nonFiniteError } from './diagnose.ts';
import { shareOf } from './rankSharing.ts';
import { describeSpeeds, RankWatch } from './rankWatch.ts';
import { TrainingLog, type TrainingLogFiles } from './trainingLog.ts';
import { buildSampler, buildTrainingParts, type TrainingParts } from './trainingParts.ts';

export interface TrainerOptions extends TrainingLogFiles {
  readonly engine: Engine;
  readonly config: TrainConfig;
  readonly dataset: Dataset;
  /** None where another rank writes. */
  readonly checkpoints?: Checkpoints;
  /** Of where these and the logs are: nothing is written once another process has it. */
  readonly lock?: Pick<RunLock, 'confirm'>;
  readonly progress: (totalSteps: number, startStep: number) => Progress;
  /** Called with each finished epoch's row. */
  readonly onEpoch?: (row: EpochSummary) => void;
  /** The processes that train this network together; null (default): this one alone. */
  readonly ranks?: Ranks | null;
  readonly resume?: LoadedCheckpoint;
  /** Steps of the best checkpoints that the resumed run's folder holds (`Checkpoints.rankedSteps`). */
  readonly rankedSteps?: readonly number[];
}

/** Suppressed steps in a row, with a loss scale that halves each time, after which something else than the scale is wrong. */
const MOST_SUPPRESSED = 20;

/** Whether a suppressed step cannot be helped by a smaller loss scale. */
function isHopeless({ lossScale }: StepReport): boolean {
  return lossScale === null || lossScale.suppressedInARow >= MOST_SUPPRESSED || lossScale.scale < 1;
}

export interface EpochSummary {
  readonly step: number;
  readonly epoch: number;
  readonly [column: string]: number;
}

/** A step handed to the device whose report is still to come. */
interface PendingStep {
  readonly report: Promise<StepReport>;
  readonly batches: readonly Batch[];
  readonly step: number;
  readonly learningRate: number;
  readonly started: number;
  /** When its report came; infinite before. */
  readonly finishedAt: () => number;
}

/** What training ended with. */
export interface TrainResult {
  readonly step: number;
  readonly epoch: number;
  readonly interrupted: boolean;
  /** Ended by training.earlyStopping, before all epochs. */
  readonly stoppedEarly: boolean;
  /** Best value of training.bestMetric; NaN where it was never defined. */
  readonly best: number;
  readonly waitShare: number;
  readonly skipped: number;
}

/** Trains one run. */
export class Trainer {
  /** The network under training, ready to be scored. */
  readonly predictor: Predictor;
  readonly #options: TrainerOptions;
  readonly #training: TrainingParts;
  readonly #schedule: Schedule;
  readonly #loader: TrainLoader;
  readonly #share: Deal;
  readonly #stepsPerEpoch: number;
  readonly #totalSteps: number;
  #done = 0;
  readonly #ranking: Ranking;
  readonly #plateau: Plateau | null;
  readonly #sums = new EpochSums();
  readonly #log: TrainingLog;
  readonly #ranks: Ranks | null;
  readonly #watch: RankWatch | null;
  #stop: AbortSignal | undefined;
  /** Whether all ranks learnt, in the step that was settled last, that one of them was asked to stop. */
  #stops = false;
  #progress: Progress | null = null;
  /** Milliseconds in which the device had finished a step and the next batch was not there yet. */
  #starvedMs = 0;
  #startedAt = 0;

  constructor(options: TrainerOptions) {
    this.#options = options;
    this.#log = new TrainingLog(options);
    const { engine, config, dataset, ranks = null } = options;
    this.#ranks = ranks;
    this.#watch = ranks && new RankWatch(ranks, engine.backend.name);
    const share = shareOf(config.training.accumulate, ranks ?? { rank: 0, size: 1 });
    this.#ranking = new Ranking(bestMetric(config.training.bestMetric), config.training.keepBest);
    this.#plateau = buildPlateau(config, this.#ranking.metric.mode);
    const train = selectItems(dataset, 'train');
    const sampler = buildSampler(config, train);
    this.#stepsPerEpoch =
      config.training.stepsPerEpoch ?? Math.ceil(sampler.stepsPerEpoch / config.training.accumulate);
    this.#totalSteps = this.#stepsPerEpoch * config.training.epochs;
    this.#loader = new TrainLoader(sampler, new SampleSource(loaderSettings(config)), share);
    this.#schedule = buildSchedule(config, this.#totalSteps);
    this.#share = share;
    this.#training = buildTrainingParts(
      engine,
      config,
      train,
      this.#totalSteps,
      (done, total) => this.#progress?.compiling(done, total),
      ranks && { ranks, share, wantsStop: () => this.#stop?.aborted ?? false },
    );
    this.predictor = new Predictor({ engine, model: this.model, config, source: this.source });
    if (options.resume) this.#done = restoreTraining(this.#changing, options.resume, options.rankedSteps);
  }

  get model(): MultitaskNet {
    return this.#training.model;
  }

  get totalSteps(): number {
    return this.#totalSteps;
  }

  /** Whether the moving average is evaluated in the weights' place. */
  get averages(): boolean {
    return this.#training.ema !== null;
  }

  get source(): SampleSource {
    return this.#loader.source;
  }

  /** Prepares an item's picture as training or evaluation will ask for it. @throws GmtlError as {@link SampleSource.sample}. */
  async prepare(item: DatasetItem): Promise<void> {
    if (item.split === 'train') await this.#loader.prepare(item);
    else await this.source.sample(item, this.source.options.preprocess.size);
  }

  /** Runs `body` with the weights that are evaluated: the averages where there are any. */
  async withEvaluatedWeights<T>(body: () => Promise<T>): Promise<T> {
    return this.#training.ema && this.#training.ema.stepCount > 0 ? this.#training.ema.evaluate(body) : body();
  }

  /** One step, every op held against its float64 reference (see `verify`). The weights change as in any step. */
  async verify(): Promise<VerifiedOp[]> {
    const batches = await this.#nextBatches();
    this.model.train();
    return this.#training.step.verify(batches, this.#done);
  }

  /** Trains to the end, or until `stop` is aborted, with several ranks on any of them: after the step under way or the next it is saved. */
  async run(stop?: AbortSignal): Promise<TrainResult> {
    const { config } = this.#options;
    this.#stop = stop;
    const progress = this.#options.progress(this.#totalSteps, this.#done);
    this.#progress = progress;
    this.#startedAt = performance.now();
    let epochStart = this.#startedAt;
    let savedAt = this.#done;
    let settledAt = 0;
    // The report of step k is awaited after step k + 1 was handed to the device, so that the device never waits for it.
    let pending: PendingStep | null = null;
    const settle = async (): Promise<void> => {
      if (!pending) return;
      const { report, batches, step, learningRate, started } = pending;
      pending = null;
      const result = await report;
      // Steps overlap: a step's time is that since the report before it.
      const now = performance.now();
      const seconds = (now - Math.max(started, settledAt)) / 1000;
      settledAt = now;
      if (result.stop) this.#stops = true;
      await this.#account(result, batches, step, learningRate, seconds, progress);
    };
    try {
      this.model.train();
      while (this.#done < this.#totalSteps && !this.#stopsNow() && !this.#stoppedEarly()) {
        const asked = performance.now();
        const batches = await this.#nextBatches();
        // Waiting while the device still works on the step before costs nothing.
        const starvedMs = Math.max(0, performance.now() - Math.max(asked, pending?.finishedAt() ?? asked));
        this.#starvedMs += starvedMs;
        this.#watch?.starved(starvedMs);
        const step = this.#done;
        const learningRate = this.#learningRate(step);
        const started = performance.now();
        const report = this.#training.step.run(batches, step, learningRate);
        let finishedAt = Number.POSITIVE_INFINITY;
        report.then(
          () => {
            finishedAt = performance.now();
          },
          () => undefined,
        );
        await settle();
        pending = { report, batches, step, learningRate, started, finishedAt: () => finishedAt };
        this.#done++;
        const epochEnds = this.#done % this.#stepsPerEpoch === 0;
        if (epochEnds) {
          await settle();
          await this.#finishEpoch((performance.now() - epochStart) / 1000, progress);
          epochStart = performance.now();
        }
        if (epochEnds || this.#done - savedAt >= config.training.checkpointEvery) {
          await settle();
          await this.#save('last');
          savedAt = this.#done;
        }
      }
      await settle();
      if (savedAt !== this.#done) await this.#save('last');
    } finally {
      progress.stop();
      this.#flushLogs();
    }
    const { source } = this.#loader;
    return {
      step: this.#done,
      epoch: Math.floor(this.#done / this.#stepsPerEpoch),
      interrupted: this.#done < this.#totalSteps && !this.#stoppedEarly(),
      stoppedEarly: this.#done < this.#totalSteps && this.#stoppedEarly(),
      best: this.#ranking.best,
      waitShare: this.#waitShare(),
      skipped: source.skipped.size,
    };
  }

  /** One process stops as it is asked to; ranks stop together. */
  #stopsNow(): boolean {
    return this.#ranks ? this.#stops : (this.#stop?.aborted ?? false);
  }

  #stoppedEarly(): boolean {
    const { earlyStopping } = this.#options.config.training;
    return earlyStopping > 0 && this.#ranking.sinceBest >= earlyStopping;
  }

  #learningRate(step: number): number {
    return this.#options.config.optimizer.lr * this.#schedule(step) * (this.#plateau?.factor ?? 1);
  }

  #waitShare(): number {
    return this.#starvedMs / (performance.now() - this.#startedAt);
  }

  async #account(
    report: StepReport,
    batches: readonly Batch[],
    step: number,
    learningRate: number,
    seconds: number,
    progress: Progress,
  ): Promise<void> {
    const epoch = Math.floor(step / this.#stepsPerEpoch) + 1;
    if (!report.finite && isHopeless(report)) await this.#failNonFinite(report, batches, step);
    const { tasks } = report;
    const rows = tasks.length;
    this.#watch?.step(batches.reduce((sum, { task }) => sum + task.length, 0));
    const routes = countRoutes(report, tasks);
    // The losses of a suppressed step may be infinite: they would be an epoch's mean.
    if (report.finite) this.#sums.add(taughtBy(report), routes.right, rows, report.grades);
    this.#log.batch(batchRow(report, { step: step + 1, epoch, learningRate }, routes, seconds));
    progress.update({ step: step + 1, epoch, loss: report.losses.total, images: rows });
  }

  async #failNonFinite(report: StepReport, batches: readonly Batch[], step: number): Promise<never> {
    const finding = await this.#training.step.diagnose(batches, step);
    const own = { finding, paths: batches.flatMap(({ items }) => items).map(({ imagePath }) => imagePath) };
    // Every rank looks at its own micro-batches, and all end with what all have found.
    const all = this.#ranks ? await gatherValues(this.#ranks, own) : [own];
    const error = nonFiniteError(report, step, all);
    if (this.#ranks) return this.#ranks.agree(error);
    throw error;
  }

  async #finishEpoch(seconds: number, progress: Progress): Promise<void> {
    const { config, onEpoch } = this.#options;
    const epoch = this.#done / this.#stepsPerEpoch;
    const row: Record<string, number> = Object.fromEntries(EPOCH_COLUMNS.map((column) => [column, Number.NaN]));
    Object.assign(row, {
      step: this.#done,
      epoch,
      learningRate: this.#learningRate(this.#done - 1),
      seconds,
    });
    Object.assign(row, this.#sums.columns());
    row.waitShare = this.#waitShare();
    const speeds = await this.#watch?.report();
    const due = epoch % config.training.validateEvery === 0 || epoch === config.training.epochs;
    // Rank 0 scores; what the others need of it they are told below.
    const scores = due && (this.#ranks?.rank ?? 0) === 0;
    const validation = scores ? await this.#validate() : null;
    if (validation) {
      Object.assign(row, validationColumns(validation.evaluated, config));
      if (validation.raw) Object.assign(row, rawColumns(validation.raw, config));
    }
    this.#training.weighting.finishEpoch({
      segmentation: row.train_segmentation,
      classification: row.train_classification,
    });
    this.#sums.reset();
    this.#log.epoch(row, validation?.evaluated ?? null, speeds);
    onEpoch?.(row as unknown as EpochSummary);
    if (speeds) progress.message(describeSpeeds(speeds));
    if (validation) {
      const { evaluated } = validation;
      progress.message(
        `epoch ${epoch}: train loss ${row.train_total.toFixed(4)}, validation Dice ${percent(meanDice(evaluated))}, ` +
          `AUROC ${percent(evaluated.retinopathy?.anyAuroc ?? Number.NaN)}, gate ${percent(evaluated.gate.accuracy)}` +
          (validation.raw ? ` (without averaging: Dice ${percent(meanDice(validation.raw))})` : ''),
      );
    }
    const value = await this.#toldByFirst(validation ? row[this.#ranking.metric.column] : null);
    this.#watch?.restart();
    if (value !== null) await this.#rank(value, progress);
  }

  /** What rank 0 says, on all ranks. */
  async #toldByFirst(value: number | null): Promise<number | null> {
    return this.#ranks ? (await gatherValues(this.#ranks, value))[0] : value;
  }

  /** Lets a validation's figure choose the best checkpoint, the learning rate and the end. */
  async #rank(value: number, progress: Progress): Promise<void> {
    if (Number.isNaN(value)) {
      progress.message(`${this.#ranking.metric.name} is not defined on these validation images: no best checkpoint`);
    }
    if (this.#plateau?.observe(value))
      progress.message(`learning rate lowered to ${this.#learningRate(this.#done).toExponential(2)}`);
    if (this.#ranking.add(this.#done, value)) await this.#save('best');
    if (this.#stoppedEarly())
      progress.message(
        `no better ${this.#ranking.metric.name} in ${this.#ranking.sinceBest} validations: training ends`,
      );
  }

  /** Scores the validation images: by the averages where there are any, and then by the weights themselves too. */
  async #validate(): Promise<{ evaluated: Evaluation; raw: Evaluation | null } | null> {
    const items = selectItems(this.#options.dataset, 'val');
    if (items.length === 0) return null;
    const score = (): Promise<Evaluation> => evaluate(this.predictor, items, { intervals: false });
    try {
      const evaluated = await this.withEvaluatedWeights(score);
      return { evaluated, raw: this.#training.ema ? await score() : null };
    } finally {
      // Training wants the memory until the next validation.
      this.predictor.release();
    }
  }

  async #nextBatches(): Promise<Batch[]> {
    const batches: Batch[] = [];
    for (let index = 0; index < this.#share.count; index++) batches.push(await this.#loader.nextBatch());
    return batches;
  }

  #flushLogs(): void {
    this.#options.lock?.confirm();
    this.#log.flush();
  }

  async #save(name: 'last' | 'best'): Promise<void> {
    const { config, lock, checkpoints } = this.#options;
    if (!checkpoints) return;
    this.#flushLogs();
    const at = { step: this.#done, epoch: Math.floor(this.#done / this.#stepsPerEpoch) };
    const payload = await packTraining(this.#changing, config, at, name === 'last');
    lock?.confirm();
    if (name === 'last') await checkpoints.save(name, payload);
    else await checkpoints.saveRanked(this.#ranking.steps, payload);
  }

  get #changing(): ChangingParts {
    return {
      training: this.#training,
      loader: this.#loader,
      sums: this.#sums,
      ranking: this.#ranking,
      plateau: this.#plateau,
    };
  }

  dispose(): void {
    this.predictor.dispose();
    this.#training.dispose();
  }
}

const percent = (value: number): string => (Number.isNaN(value) ? 'n/a' : value.toFixed(3));
