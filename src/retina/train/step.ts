import type { Engine } from '../../engine/autograd/engine.ts';
import type { Tensor } from '../../engine/autograd/tensor.ts';
import { type VerifiedOp, verify } from '../../engine/check/verify.ts';
import type { Batch } from '../data/loading/batch.ts';
import type { GradeDecision } from '../metrics/index.ts';
import type { CapturedStep, CompileProgress } from '../../engine/gpu/capture.ts';
import { type MultitaskNet, type MultitaskOutput, type Routes, TASK_INDEX } from '../network/network.ts';
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

export type { StepReport } from './stepReport.ts';

export interface TrainStepOptions {
  readonly engine: Engine;
  readonly model: MultitaskNet;
  readonly optimizer: Optimizer;
  readonly gate: GradientGuard;
  readonly ema: EMA | null;
  readonly objective: ObjectiveOptions;
  readonly constants: ObjectiveConstants;
  readonly weighting: Weighting;
  /** How a grade is told from probabilities, for the report. Default: mode. */
  readonly gradeDecision?: GradeDecision;
  /** hard needs a wait for the gate in each step. */
  readonly routing: Routing;
  /** Index in the batch's masks of each of the network's mask maps. Default: all five. */
  readonly maskChannels?: readonly number[];
  /** Gumbel routing: seed of its noise, first and last temperature, steps from one to the other. */
  readonly gumbel?: { readonly seed: number; readonly tau: readonly [number, number]; readonly totalSteps: number };
  /** Steps between measurements of the gradients' cosine; 0 (default): never. Weightings that need the gradients always measure. */
  readonly conflictEvery?: number;
  /** Record the step once and replay it (GPU backends only). Default true. */
  readonly capture?: boolean;
  /** Told while a newly recorded step runs for the first time, when drivers compile its kernels. */
  readonly onCompile?: CompileProgress;
}

interface Recorded {
  readonly inputs: readonly StepInputs[];
  readonly report: Tensor;
  readonly blocks: readonly ReportBlock[];
  readonly step: CapturedStep | null;
}

/** Recorded steps hold memory of their own: batches of rarer shapes run eagerly. */
const MOST_CAPTURED = 6;

/**
 * One optimiser step of a multitask network: forward, loss, backward, clipping, update, moving average. Shapes are static, so the
 * step is recorded once and replayed from then on (batches of other shapes are recorded when they come a second time); what varies (inputs, learning rate, dropout seeds) lives in
 * tensors that are written before each replay. Eager and replayed steps run the same kernels: they are bitwise equal.
 */
export class TrainStep {
  readonly #options: TrainStepOptions;
  readonly #shared: readonly NamedParameter[];
  /** Recorded steps by the batches' shapes. */
  readonly #recorded = new Map<string, Recorded>();
  readonly #warm = new Set<string>();
  /** Settles when the next step may begin; null: at once. */
  #busy: Promise<void> | null = null;
  /** The recording that the step begun last is waiting for. */
  #recording: Promise<unknown> | null = null;

  constructor(options: TrainStepOptions) {
    this.#options = options;
    const { model } = options;
    this.#shared = [...model.namedParameters()].flatMap(([name, tensor]) =>
      name.startsWith(model.trunkPrefix) ? [{ name, tensor }] : [],
    );
  }

  /**
   * Records or replays the step for a batch, or for micro-batches whose gradients are averaged, at `learningRate`. The promise is the
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
    // With hard routing the gate must be asked after the step before has taught it; a step that is being recorded must have run. Until then
    // the learning rate and the masks on the device are that step's.
    const begin = (): { report: Promise<StepReport>; ready: Promise<unknown> | null } => {
      this.#recording = null;
      const report = start();
      return { report, ready: routing === 'hard' ? report : this.#recording };
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
    // Measuring alone is rare: it is not worth the memory of a recording.
    const captures = capture && engine.backend instanceof GpuBackend && (!measured || weighting.needsTaskGradients);
    const key = arranged.map(shapeKey).join('; ');
    const known = this.#recorded.get(key);
    if (known?.step && captures) {
      this.#writeAll(known.inputs, batches, arranged, step);
      engine.backend.flush?.();
      known.step.replay();
      return this.#read(known.report, known.blocks, batches, arranged);
    }
    const inputs = known?.inputs ?? batches.map((batch, index) => this.#makeInputs(batch, arranged[index].routes));
    this.#writeAll(inputs, batches, arranged, step);
    const captured = [...this.#recorded.values()].filter((one) => one.step).length;
    const worthIt = captured === 0 || (this.#warm.has(key) && captured < MOST_CAPTURED);
    if (!captures || !worthIt) {
      if (captures) this.#warm.add(key);
      if (!known) this.#recorded.set(key, { inputs, report: inputs[0].image, blocks: [], step: null });
      const { report, blocks } = this.#record(inputs, measured);
      const result = this.#read(report, blocks, batches, arranged);
      report.dispose();
      // Beside a recorded step, which has memory of its own, what this one used would only lie about.
      if (captured > 0 && engine.backend instanceof GpuBackend) engine.backend.gpu.trim();
      return result;
    }
    const recording = this.#capture(key, inputs, measured);
    this.#recording = recording;
    return recording.then(({ report, blocks }) => this.#read(report, blocks, batches, arranged));
  }

  /** Records the step for these inputs and runs it once. */
  async #capture(key: string, inputs: readonly StepInputs[], measured: boolean): Promise<Recorded> {
    const { gpu } = this.#options.engine.backend as GpuBackend;
    let made: { report: Tensor; blocks: ReportBlock[] } | null = null;
    const step = await gpu.captureAsync(() => {
      made = this.#record(inputs, measured);
    }, this.#options.onCompile);
    // What earlier eager steps used is of no use any more: a recorded step has memory of its own.
    gpu.trim();
    const recorded = { inputs, ...(made as unknown as { report: Tensor; blocks: ReportBlock[] }), step };
    this.#recorded.set(key, recorded);
    return recorded;
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
    const { report, blocks } = this.#record(inputs, this.#measures(step));
    const result = this.#read(report, blocks, batches, arranged);
    report.dispose();
    for (const each of inputs) each.dispose();
    return result;
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
  #record(inputs: readonly StepInputs[], measured: boolean): { report: Tensor; blocks: ReportBlock[] } {
    const { engine, model, optimizer, gate, ema } = this.#options;
    return engine.scope(() => {
      const made = inputs.map((each, part) => {
        model.random.usePart(part);
        return this.#recordBatch(each, measured, 1 / inputs.length);
      });
      model.random.usePart(0);
      const total = made.map((each) => each.total).reduce((sum, each) => engine.noGrad(() => sum.add(each)));
      gate.measure(total);
      optimizer.update(gate);
      ema?.update();
      optimizer.zeroGrad();
      const report = engine.noGrad(() =>
        F.concat(
          made.flatMap(({ numbers }) => numbers).concat(gate.tensor, gate.scalesLosses ? gate.lossScale : []),
          0,
        ),
      );
      engine.keep(report);
      return { report, blocks: made.map(({ layout }) => layout) };
    });
  }

  /** Forward and backward of one micro-batch. */
  #recordBatch(
    inputs: StepInputs,
    measured: boolean,
    scale: number,
  ): { total: Tensor; numbers: Tensor[]; layout: ReportBlock } {
    const { engine, constants, weighting, routing, gate } = this.#options;
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
        ? backwardByTask(engine, made, this.#shared, weighting, scale, (loss) => gate.seed(loss))
        : null;
      if (!apart) {
        const root = scale === 1 ? made.total : made.total.mul(scale);
        root.backward(gate.seed(root));
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

  async #read(
    report: Tensor,
    blocks: readonly ReportBlock[],
    batches: readonly Batch[],
    arranged: readonly ArrangedBatch[],
  ): Promise<StepReport> {
    const { gate, model, gradeDecision = 'mode' } = this.#options;
    return readReport(await report.data(), blocks, {
      batches,
      arranged,
      ordinal: model.ordinal,
      scalesLosses: gate.scalesLosses,
      gradeDecision,
    });
  }

  /** Repeats the step with every result read back: which op was the first to give NaN or infinity. */
  async diagnose(input: Batch | readonly Batch[], step: number): Promise<NonFiniteFinding | null> {
    this.#options.model.random.setStep(step, asList(input).length);
    return this.#withInputs(input, step, (record) => findNonFinite(this.#options.engine, record));
  }

  /** One step, every program held against its float64 reference. */
  async verify(input: Batch | readonly Batch[], step: number): Promise<VerifiedOp[]> {
    const { engine, model, optimizer, ema, weighting } = this.#options;
    model.random.setStep(step, asList(input).length);
    optimizer.advance();
    ema?.advance();
    weighting.advance(step);
    return this.#withInputs(input, step, (record) => verify(engine, record));
  }

  async #withInputs<T>(
    input: Batch | readonly Batch[],
    step: number,
    body: (record: () => void) => Promise<T>,
  ): Promise<T> {
    const batches = asList(input);
    const arranged = batches.map((batch) => arrange(batch, this.#options.routing));
    const inputs = batches.map((batch, index) => this.#makeInputs(batch, arranged[index].routes));
    this.#writeAll(inputs, batches, arranged, step);
    try {
      return await body(() => this.#record(inputs, this.#measures(step)).report.dispose());
    } finally {
      for (const each of inputs) each.dispose();
    }
  }

  /** The steps recorded so far, one a shape of batch: for measuring. */
  get captured(): readonly CapturedStep[] {
    return [...this.#recorded.values()].flatMap(({ step }) => step ?? []);
  }

  dispose(): void {
    for (const { inputs, report, step } of this.#recorded.values()) {
      if (step) report.dispose();
      step?.dispose();
      for (const each of inputs) each.dispose();
    }
    this.#recorded.clear();
  }
}

function asList(input: Batch | readonly Batch[]): readonly Batch[] {
  return 'image' in input ? [input] : input;
}

/** What a recorded step depends on. The routes of an arranged batch are ranges: their ends tell them. */
function shapeKey({ order, routes: { segmentation, classification } }: ArrangedBatch): string {
  const ends = (rows: readonly number[]): string => (rows.length > 0 ? `${rows[0]}-${rows[rows.length - 1]}` : '');
  return `${order.length}: ${ends(segmentation)}, ${ends(classification)}`;
}
