/** One training step: forward, losses, backward and the update, captured once and replayed; with several ranks, in two halves. */
import { Replay } from '../../engine/autograd/replay.ts';
import type { Tensor } from '../../engine/autograd/tensor.ts';
import { type VerifiedOp, verify } from '../../engine/check/verify.ts';
import type { Batch } from '../data/loading/batch.ts';
import type { Deal } from '../data/loading/loader.ts';
import type { GradeDecision } from '../metrics/inputs.ts';
import type { Capture, CompileProgress } from '../../engine/gpu/capture.ts';
import type { Routes } from '../network/network.ts';
import * as F from '../../engine/nn/functional.ts';
import type { Ranks } from '../../engine/node/ranks.ts';
import { GpuBackend } from '../../engine/ops/gpuBackend.ts';
import { findNonFinite, type NonFiniteFinding } from './diagnose.ts';
import { arrangeHard } from './hardRouting.ts';
import { type ArrangedBatch, arrange, gumbelNoise, gumbelTau } from '../network/routing.ts';
import { pack, type Packed } from './rankExchange.ts';
import { SharedUpdate } from './sharedUpdate.ts';
import { StepInputs } from './stepInputs.ts';
import { StepOrder } from './stepOrder.ts';
import { type MicroReport, readMicroReports, readReport, type ReportBlock, type StepReport } from './stepReport.ts';
import { StepWork, type StepWorkOptions } from './stepWork.ts';

/** How a step's micro-batches are shared out over several processes. */
export interface StepSharing {
  readonly ranks: Ranks;
  /** Of a step's micro-batches, those of this process. */
  readonly share: Deal;
  /** Whether this process was asked to stop: all of them learn of it with the next exchange. */
  readonly wantsStop: () => boolean;
}

export interface TrainStepOptions extends StepWorkOptions {
  /** How a grade is decided from probabilities, for the report. Default: mode. */
  readonly gradeDecision?: GradeDecision;
  /** Index in the batch's masks of each of the network's mask maps. Default: all five. */
  readonly maskChannels?: readonly number[];
  /** Gumbel routing: seed of its noise, first and last temperature, steps from one to the other. */
  readonly gumbel?: { readonly seed: number; readonly tau: readonly [number, number]; readonly totalSteps: number };
  /** Steps between measurements of the gradients' cosine; 0 (default): never. Weightings that need the gradients always measure. */
  readonly conflictEvery?: number;
  /** Capture the step once and replay it (GPU backends only). Default true. */
  readonly capture?: boolean;
  /** Reports how far a newly captured step is in its first run, when drivers compile its kernels. */
  readonly onCompile?: CompileProgress;
  /** Null (default): this process has all micro-batches of a step. */
  readonly sharing?: StepSharing | null;
}

/** What the device makes of a step: the whole step and its report, or of a shared one the half before the exchange. */
type StepResult = WholeResult | HalfResult;

interface WholeResult {
  readonly report: Tensor;
  readonly blocks: readonly ReportBlock[];
  readonly hasDots: boolean;
}

interface HalfResult {
  readonly packed: Packed;
  readonly blocks: readonly ReportBlock[];
}

/** A step's batches, with the order of their rows. */
interface Arranged {
  readonly batches: readonly Batch[];
  readonly arranged: readonly ArrangedBatch[];
}

/** What is kept for batches of one shape. */
interface BatchShape {
  readonly inputs: readonly StepInputs[];
  /** Null while such batches run eagerly. */
  readonly replay: Replay<StepResult> | null;
}

/** Captured steps hold memory of their own: batches of rarer shapes run eagerly. */
const MOST_CAPTURED = 6;

/**
 * One optimizer step of a multitask network: forward, loss, backward, clipping, update, moving average. Shapes are static, so the
 * step is captured once and replayed from then on (batches of other shapes are captured when they come a second time); what varies (inputs, learning rate, dropout seeds) lives in
 * tensors that are written before each replay. Eager and replayed steps run the same kernels: they are bitwise equal. Of a step with several
 * micro-batches, gradients are summed in a fixed tree: on however many ranks, the bits are the same.
 */
export class TrainStep {
  readonly #options: TrainStepOptions;
  readonly #work: StepWork;
  readonly #shared: SharedUpdate | null;
  /** By the batches' shapes. */
  readonly #shapes = new Map<string, BatchShape>();
  readonly #warm = new Set<string>();
  readonly #order = new StepOrder();
  /** What the next step has to wait for: a capture's first run, or the second half of a shared step. */
  #pending: Promise<unknown> | null = null;

  constructor(options: TrainStepOptions) {
    this.#options = options;
    const { sharing = null, guard, engine } = options;
    this.#work = new StepWork(options);
    this.#shared =
      sharing && new SharedUpdate(engine, this.#work, sharing.ranks, sharing.wantsStop, guard.scalesLosses);
  }

  /** The micro-batches of a step, of which this process has `count`. */
  #shareOf(count: number): Deal {
    return this.#options.sharing?.share ?? { total: count, first: 0, count };
  }

  /**
   * Captures or replays the step for a batch, or for micro-batches whose gradients are averaged, at `learningRate`. With `sharing` they are
   * this process's own, and every rank must run the same steps. The promise is the report; the next step may be started before it.
   */
  run(input: Batch | readonly Batch[], step: number, learningRate: number): Promise<StepReport> {
    const batches = asList(input);
    const { model, optimizer, ema, routing, weighting } = this.#options;
    // With hard routing the gate must be asked after the step before has taught it; a step that is being captured must have run. Until then
    // the learning rate and the masks on the device are that step's.
    return this.#order.begin(() => {
      this.#pending = null;
      model.random.setStep(step, this.#shareOf(batches.length).total);
      optimizer.lr = learningRate;
      optimizer.advance();
      ema?.advance();
      weighting.advance(step);
      const report = routing === 'hard' ? this.#runHard(batches, step) : this.#runRouted(batches, step);
      return { report, ready: routing === 'hard' ? report : this.#pending };
    });
  }

  #runRouted(batches: readonly Batch[], step: number): Promise<StepReport> {
    const { engine, capture = true, weighting } = this.#options;
    const arranged = batches.map((batch) => arrange(batch, this.#options.routing));
    const measured = this.#measures(step);
    // Measuring alone is rare: it is not worth the memory of a capture.
    const captures = capture && engine.backend instanceof GpuBackend && (!measured || weighting.needsTaskGradients);
    const key = arranged.map(shapeKey).join('; ');
    const known = this.#shapes.get(key);
    if (known?.replay && captures) {
      this.#writeAll(known.inputs, batches, arranged, step);
      known.replay.run();
      return this.#settle(known.replay.result, { batches, arranged }, captures);
    }
    const inputs = known?.inputs ?? batches.map((batch, index) => this.#makeInputs(batch, arranged[index].routes));
    this.#writeAll(inputs, batches, arranged, step);
    const captured = this.captured.length;
    const worthIt = captured === 0 || (this.#warm.has(key) && captured < MOST_CAPTURED);
    if (!captures || !worthIt) {
      if (captures) this.#warm.add(key);
      if (!known) this.#shapes.set(key, { inputs, replay: null });
      const report = this.#settleOnce(this.#compute(inputs, measured), { batches, arranged });
      // A captured step has memory of its own: what this one used would not be used again.
      if (captured > 0 && engine.backend instanceof GpuBackend) engine.backend.gpu.trim();
      return report;
    }
    const capturing = this.#capture(key, inputs, measured);
    this.#pending = capturing;
    const report = capturing.then((result) => this.#settle(result, { batches, arranged }, captures));
    if (this.#shared) this.#pending = report;
    return report;
  }

  /** Captures the step for these inputs and runs it once. */
  async #capture(key: string, inputs: readonly StepInputs[], measured: boolean): Promise<StepResult> {
    const { engine, onCompile } = this.#options;
    const replay = await Replay.capture(engine, () => this.#compute(inputs, measured), { gradients: true, onCompile });
    // The captured step has memory of its own: what earlier eager steps used is not used again.
    (engine.backend as GpuBackend).gpu.trim();
    this.#shapes.set(key, { inputs, replay });
    return replay.result;
  }

  #measures(step: number): boolean {
    const { conflictEvery = 0, weighting } = this.#options;
    return weighting.needsTaskGradients || (conflictEvery > 0 && (step + 1) % conflictEvery === 0);
  }

  async #runHard(batches: readonly Batch[], step: number): Promise<StepReport> {
    const { engine, model } = this.#options;
    const arranged: ArrangedBatch[] = [];
    for (const batch of batches) arranged.push(await arrangeHard(engine, model, batch));
    const inputs = batches.map((batch, index) => this.#makeInputs(batch, arranged[index].routes));
    this.#writeAll(inputs, batches, arranged, step);
    const report = this.#settleOnce(this.#compute(inputs, this.#measures(step)), { batches, arranged });
    for (const each of inputs) each.dispose();
    return report;
  }

  #makeInputs(batch: Batch, routes: Routes): StepInputs {
    const { engine, routing, maskChannels } = this.#options;
    return new StepInputs(engine, batch, routes, { gumbel: routing === 'gumbel', maskChannels });
  }

  #writeAll(
    inputs: readonly StepInputs[],
    batches: readonly Batch[],
    arranged: readonly ArrangedBatch[],
    step: number,
  ): void {
    const { gumbel } = this.#options;
    const { total, first } = this.#shareOf(inputs.length);
    inputs.forEach((each, index) => {
      each.write(batches[index], arranged[index]);
      if (!each.gumbel) return;
      if (!gumbel) throw new Error('gumbel routing needs its options');
      const rows = arranged[index].order.length;
      each.gumbel.noise.write(gumbelNoise(gumbel.seed, step * total + first + index, rows));
      each.gumbel.inverseTau.write(Float64Array.of(1 / gumbelTau(gumbel.tau, step, gumbel.totalSteps)));
    });
  }

  /** The device's whole work of a step, or of a shared one this process's half. The tensors of the result outlive the scope. */
  #compute(inputs: readonly StepInputs[], measured: boolean): StepResult {
    const { engine } = this.#options;
    const { first, total } = this.#shareOf(inputs.length);
    return engine.scope((): StepResult => {
      const { gradients, statistics, numbers, blocks } = this.#work.teach(inputs, measured, first, total);
      if (this.#shared) {
        const shapes = this.#work.gradientShapes(gradients);
        return { packed: pack(engine, gradients, shapes, statistics, this.#work.normLayers, numbers), blocks };
      }
      const tail = this.#work.update(gradients, statistics);
      const report = engine.noGrad(() => F.concat([...numbers, ...tail.numbers], 0));
      engine.keep(report);
      return { report, blocks, hasDots: tail.hasDots };
    });
  }

  /** Reads a result that is not used again. */
  #settleOnce(result: StepResult, of: Arranged): Promise<StepReport> {
    const report = this.#settle(result, of, false);
    const tensors = 'report' in result ? [result.report] : packedTensors(result.packed);
    if (this.#shared)
      void report.then(
        () => free(tensors),
        () => free(tensors),
      );
    else free(tensors);
    return report;
  }

  /** The report of a result; of a shared step after the exchange and the update. @param captures whether to capture the update. */
  #settle(result: StepResult, of: Arranged, captures: boolean): Promise<StepReport> {
    if ('report' in result) return this.#read(result, of);
    if (!this.#shared) throw new Error('half a step without ranks to share it with');
    const updated = this.#shared.run(
      result.packed,
      (numbers) => this.#microReports(numbers, result.blocks, of).reports,
      captures,
    );
    this.#pending = updated;
    return updated.then(({ report }) => report);
  }

  async #read({ report, blocks, hasDots }: WholeResult, of: Arranged): Promise<StepReport> {
    const { scalesLosses } = this.#options.guard;
    const numbers = (await report.data()) as Float32Array;
    const { reports, end } = this.#microReports(numbers, blocks, of);
    return readReport(reports, numbers, end, { hasDots, scalesLosses }, false);
  }

  #microReports(
    numbers: Float32Array,
    blocks: readonly ReportBlock[],
    { batches, arranged }: Arranged,
  ): { readonly reports: MicroReport[]; readonly end: number } {
    const { model, gradeDecision = 'mode' } = this.#options;
    return readMicroReports(numbers, blocks, { batches, arranged, ordinal: model.ordinal, gradeDecision });
  }

  /** Repeats the step with every result read back: which op was the first to give NaN or infinity. Of a shared step, this process's half. */
  async diagnose(input: Batch | readonly Batch[], step: number): Promise<NonFiniteFinding | null> {
    this.#options.model.random.setStep(step, this.#shareOf(asList(input).length).total);
    return this.#withInputs(input, step, (compute) => findNonFinite(this.#options.engine, compute));
  }

  /** One step, every program held against its float64 reference. */
  async verify(input: Batch | readonly Batch[], step: number): Promise<VerifiedOp[]> {
    const { engine, model, optimizer, ema, weighting } = this.#options;
    model.random.setStep(step, asList(input).length);
    optimizer.advance();
    ema?.advance();
    weighting.advance(step);
    return this.#withInputs(input, step, (compute) => verify(engine, compute));
  }

  async #withInputs<T>(
    input: Batch | readonly Batch[],
    step: number,
    body: (compute: () => void) => Promise<T>,
  ): Promise<T> {
    const batches = asList(input);
    const arranged = batches.map((batch) => arrange(batch, this.#options.routing));
    const inputs = batches.map((batch, index) => this.#makeInputs(batch, arranged[index].routes));
    this.#writeAll(inputs, batches, arranged, step);
    try {
      return await body(() => {
        const result = this.#compute(inputs, this.#measures(step));
        free('report' in result ? [result.report] : packedTensors(result.packed));
      });
    } finally {
      for (const each of inputs) each.dispose();
    }
  }

  /** The steps captured so far, one per shape of batch: for measuring. */
  get captured(): readonly Capture[] {
    return [...this.#shapes.values()].flatMap(({ replay }) => replay?.captured ?? []);
  }

  dispose(): void {
    for (const { inputs, replay } of this.#shapes.values()) {
      replay?.dispose();
      for (const each of inputs) each.dispose();
    }
    this.#shapes.clear();
    this.#shared?.dispose();
  }
}

function packedTensors({ gradients, statistics, numbers }: Packed): Tensor[] {
  return [...gradients, ...(statistics ? [statistics] : []), numbers];
}

function free(tensors: readonly Tensor[]): void {
  for (const tensor of tensors) tensor.dispose();
}

function asList(input: Batch | readonly Batch[]): readonly Batch[] {
  return 'image' in input ? [input] : input;
}

/** What a captured step depends on. The routes of an arranged batch are ranges: their ends tell them. */
function shapeKey({ order, routes: { segmentation, classification } }: ArrangedBatch): string {
  const ends = (rows: readonly number[]): string => (rows.length > 0 ? `${rows[0]}-${rows[rows.length - 1]}` : '');
  return `${order.length}: ${ends(segmentation)}, ${ends(classification)}`;
}
