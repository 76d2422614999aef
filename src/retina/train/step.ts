/** One training step: forward, losses, backward and the update, captured once and replayed. */
import type { Engine } from '../../engine/autograd/engine.ts';
import { Replay } from '../../engine/autograd/replay.ts';
import type { Tensor } from '../../engine/autograd/tensor.ts';
import { type VerifiedOp, verify } from '../../engine/check/verify.ts';
import type { Batch } from '../data/loading/batch.ts';
import type { GradeDecision } from '../metrics/inputs.ts';
import type { Capture, CompileProgress } from '../../engine/gpu/capture.ts';
import type { MultitaskNet, MultitaskOutput, Routes } from '../network/network.ts';
import { TASK_INDEX } from '../domain.ts';
import * as F from '../../engine/nn/functional.ts';
import { GpuBackend } from '../../engine/ops/gpuBackend.ts';
import type { EMA } from '../../engine/optim/ema.ts';
import type { GradientGuard } from '../../engine/optim/gradientGuard.ts';
import type { NamedParameter, Optimizer } from '../../engine/optim/index.ts';
import { findNonFinite, type NonFiniteFinding } from './diagnose.ts';
import { objective, type ObjectiveConstants, type ObjectiveOptions } from './objective.ts';
import {
  type ArrangedBatch,
  arrange,
  blendExperts,
  gumbelChoice,
  gumbelNoise,
  gumbelTau,
  type Routing,
} from '../network/routing.ts';
import { imageShape, StepInputs } from './stepInputs.ts';
import { type ReportBlock, readReport, reportBlock, type StepReport } from './stepReport.ts';
import { backwardByTask } from './taskGradients.ts';
import type { Weighting } from './weighting/weighting.ts';

export interface TrainStepOptions {
  readonly engine: Engine;
  readonly model: MultitaskNet;
  readonly optimizer: Optimizer;
  readonly guard: GradientGuard;
  readonly ema: EMA | null;
  readonly objective: ObjectiveOptions;
  readonly constants: ObjectiveConstants;
  readonly weighting: Weighting;
  /** How a grade is decided from probabilities, for the report. Default: mode. */
  readonly gradeDecision?: GradeDecision;
  /** hard needs a wait for the gate in each step. */
  readonly routing: Routing;
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
}

/** What a step gives: the numbers of its report, and which they are. */
interface StepResult {
  readonly report: Tensor;
  readonly blocks: readonly ReportBlock[];
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
 * One optimiser step of a multitask network: forward, loss, backward, clipping, update, moving average. Shapes are static, so the
 * step is captured once and replayed from then on (batches of other shapes are captured when they come a second time); what varies (inputs, learning rate, dropout seeds) lives in
 * tensors that are written before each replay. Eager and replayed steps run the same kernels: they are bitwise equal.
 */
export class TrainStep {
  readonly #options: TrainStepOptions;
  readonly #shared: readonly NamedParameter[];
  /** By the batches' shapes. */
  readonly #shapes = new Map<string, BatchShape>();
  readonly #warm = new Set<string>();
  /** Settles when the next step may begin; null: at once. */
  #busy: Promise<void> | null = null;
  /** The capture that the step begun last is waiting for. */
  #capturing: Promise<unknown> | null = null;

  constructor(options: TrainStepOptions) {
    this.#options = options;
    const { model } = options;
    this.#shared = [...model.namedParameters()].flatMap(([name, tensor]) =>
      name.startsWith(model.trunkPrefix) ? [{ name, tensor }] : [],
    );
  }

  /**
   * Captures or replays the step for a batch, or for micro-batches whose gradients are averaged, at `learningRate`. The promise is the
   * report; the next step may be started before it.
   */
  run(input: Batch | readonly Batch[], step: number, learningRate: number): Promise<StepReport> {
    const batches = asList(input);
    const { model, optimizer, ema, routing, weighting } = this.#options;
    const start = (): Promise<StepReport> => {
      model.random.setStep(step, batches.length);
      optimizer.lr = learningRate;
      optimizer.advance();
      ema?.advance();
      weighting.advance(step);
      return routing === 'hard' ? this.#runHard(batches, step) : this.#runRouted(batches, step);
    };
    // With hard routing the gate must be asked after the step before has taught it; a step that is being captured must have run. Until then
    // the learning rate and the masks on the device are that step's.
    const begin = (): { report: Promise<StepReport>; ready: Promise<unknown> | null } => {
      this.#capturing = null;
      const report = start();
      return { report, ready: routing === 'hard' ? report : this.#capturing };
    };
    if (!this.#busy) {
      const { report, ready } = begin();
      if (ready) this.#hold(ready);
      return report;
    }
    const begun = this.#busy.then(begin);
    this.#hold(begun.then(({ ready }) => ready));
    return begun.then(({ report }) => report);
  }

  /** Lets later steps wait for `work`. */
  #hold(work: Promise<unknown>): void {
    const busy: Promise<void> = work.then(
      () => undefined,
      () => undefined,
    );
    this.#busy = busy;
    void busy.then(() => {
      if (this.#busy === busy) this.#busy = null;
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
      return this.#read(known.replay.result, batches, arranged);
    }
    const inputs = known?.inputs ?? batches.map((batch, index) => this.#makeInputs(batch, arranged[index].routes));
    this.#writeAll(inputs, batches, arranged, step);
    const captured = this.captured.length;
    const worthIt = captured === 0 || (this.#warm.has(key) && captured < MOST_CAPTURED);
    if (!captures || !worthIt) {
      if (captures) this.#warm.add(key);
      if (!known) this.#shapes.set(key, { inputs, replay: null });
      const report = this.#readOnce(this.#compute(inputs, measured), batches, arranged);
      // A captured step has memory of its own: what this one used would not be used again.
      if (captured > 0 && engine.backend instanceof GpuBackend) engine.backend.gpu.trim();
      return report;
    }
    const capturing = this.#capture(key, inputs, measured);
    this.#capturing = capturing;
    return capturing.then((result) => this.#read(result, batches, arranged));
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

  /** As the gate decides: a row that it sends to the other task's expert has no labels there and teaches the gate alone. */
  async #runHard(batches: readonly Batch[], step: number): Promise<StepReport> {
    const arranged: ArrangedBatch[] = [];
    for (const batch of batches) {
      const logits = await this.#gateLogits(batch);
      const { order, routes } = arrange(batch, 'hard');
      const kept = (places: readonly number[], task: number): number[] =>
        places.filter((place) => (logits[2 * order[place] + 1] > logits[2 * order[place]] ? 1 : 0) === task);
      const { segmentation, classification } = TASK_INDEX;
      arranged.push({
        order,
        routes: {
          segmentation: kept(routes.segmentation, segmentation),
          classification: kept(routes.classification, classification),
        },
      });
    }
    const inputs = batches.map((batch, index) => this.#makeInputs(batch, arranged[index].routes));
    this.#writeAll(inputs, batches, arranged, step);
    const report = this.#readOnce(this.#compute(inputs, this.#measures(step)), batches, arranged);
    for (const each of inputs) each.dispose();
    return report;
  }

  async #gateLogits(batch: Batch): Promise<ArrayLike<number>> {
    const { engine, model } = this.#options;
    const image = engine.tensor(batch.image, imageShape(batch));
    const gateLogits = engine.noGrad(() =>
      engine.scope(() => {
        model.eval();
        const logits = model.encode(image).gateLogits;
        model.train();
        return logits;
      }),
    );
    const logits = await gateLogits.data();
    gateLogits.dispose();
    image.dispose();
    return logits;
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
    inputs.forEach((each, index) => {
      each.write(batches[index], arranged[index]);
      if (!each.gumbel) return;
      if (!gumbel) throw new Error('gumbel routing needs its options');
      const rows = arranged[index].order.length;
      each.gumbel.noise.write(gumbelNoise(gumbel.seed, step * inputs.length + index, rows));
      each.gumbel.inverseTau.write(Float64Array.of(1 / gumbelTau(gumbel.tau, step, gumbel.totalSteps)));
    });
  }

  /** The device's whole work of a step. The report's tensor outlives the scope. */
  #compute(inputs: readonly StepInputs[], measured: boolean): StepResult {
    const { engine, model, optimizer, guard, ema } = this.#options;
    return engine.scope(() => {
      const made = inputs.map((each, part) => {
        model.random.usePart(part);
        return this.#computeBatch(each, measured, 1 / inputs.length);
      });
      model.random.usePart(0);
      const total = made.map((each) => each.total).reduce((sum, each) => engine.noGrad(() => sum.add(each)));
      guard.measure(total);
      optimizer.update(guard);
      ema?.update();
      optimizer.zeroGrad();
      const report = engine.noGrad(() =>
        F.concat(
          made.flatMap(({ numbers }) => numbers).concat(guard.tensor, guard.scalesLosses ? guard.lossScale : []),
          0,
        ),
      );
      engine.keep(report);
      return { report, blocks: made.map(({ layout }) => layout) };
    });
  }

  /** Forward and backward of one micro-batch. */
  #computeBatch(
    inputs: StepInputs,
    measured: boolean,
    scale: number,
  ): { total: Tensor; numbers: Tensor[]; layout: ReportBlock } {
    const { engine, constants, weighting, routing, guard } = this.#options;
    return engine.scope(() => {
      const { own, blended } = this.#forward(inputs);
      const made = objective(
        blended,
        inputs.targets,
        inputs.routes,
        this.#options.objective,
        constants,
        weighting,
        routing !== 'none',
      );
      const apart = measured && made.terms.length === 2;
      const dots = apart
        ? backwardByTask(engine, made, this.#shared, weighting, scale, (loss) => guard.seed(loss))
        : null;
      if (!apart) {
        const root = scale === 1 ? made.total : made.total.mul(scale);
        root.backward(guard.seed(root));
      }
      return { total: made.total.detach(), ...reportBlock(own, made, dots) };
    });
  }

  /** What the experts say themselves, and as the gate's weights blend it. */
  #forward({ image, routes, gumbel }: StepInputs): { own: MultitaskOutput; blended: MultitaskOutput } {
    const { model, routing } = this.#options;
    const own = model.forward(image, routes);
    const { gateLogits } = own;
    if (routing !== 'soft' && routing !== 'gumbel') return { own, blended: own };
    const weights = gumbel ? gumbelChoice(gateLogits, gumbel.noise, gumbel.inverseTau) : F.softmax(gateLogits);
    return { own, blended: { gateLogits, ...blendExperts(own, weights, routes, model.maskPriorLogit) } };
  }

  /** Reads a result that is not used again. */
  #readOnce(result: StepResult, batches: readonly Batch[], arranged: readonly ArrangedBatch[]): Promise<StepReport> {
    const report = this.#read(result, batches, arranged);
    result.report.dispose();
    return report;
  }

  async #read(
    { report, blocks }: StepResult,
    batches: readonly Batch[],
    arranged: readonly ArrangedBatch[],
  ): Promise<StepReport> {
    const { guard, model, gradeDecision = 'mode' } = this.#options;
    return readReport(await report.data(), blocks, {
      batches,
      arranged,
      ordinal: model.ordinal,
      scalesLosses: guard.scalesLosses,
      gradeDecision,
    });
  }

  /** Repeats the step with every result read back: which op was the first to give NaN or infinity. */
  async diagnose(input: Batch | readonly Batch[], step: number): Promise<NonFiniteFinding | null> {
    this.#options.model.random.setStep(step, asList(input).length);
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
      return await body(() => this.#compute(inputs, this.#measures(step)).report.dispose());
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
  }
}

function asList(input: Batch | readonly Batch[]): readonly Batch[] {
  return 'image' in input ? [input] : input;
}

/** What a captured step depends on. The routes of an arranged batch are ranges: their ends tell them. */
function shapeKey({ order, routes: { segmentation, classification } }: ArrangedBatch): string {
  const ends = (rows: readonly number[]): string => (rows.length > 0 ? `${rows[0]}-${rows[rows.length - 1]}` : '');
  return `${order.length}: ${ends(segmentation)}, ${ends(classification)}`;
}
