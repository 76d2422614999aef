import type { Engine } from '../autograd/engine.ts';
import type { Tensor } from '../autograd/tensor.ts';
import { type VerifiedOp, verify } from '../autograd/verify.ts';
import type { Batch } from '../data/batch.ts';
import type { CapturedStep } from '../gpu/recorder.ts';
import type { GatedMultitaskNet, Routes } from '../models/multitask.ts';
import * as F from '../nn/functional.ts';
import { GpuBackend } from '../ops/gpuBackend.ts';
import type { EMA } from '../optim/ema.ts';
import type { GradientGate } from '../optim/gradientGate.ts';
import type { Optimizer } from '../optim/optimizer.ts';
import { findNonFinite, type NonFiniteFinding } from './diagnose.ts';
import {
  LOSS_PARTS,
  type LossPart,
  objective,
  type ObjectiveConstants,
  type ObjectiveOptions,
  type Targets,
} from './objective.ts';

/** What one step reports, read back from the device in one piece. */
export interface StepReport {
  /** Loss parts; NaN for a part whose rows were absent. */
  readonly losses: Readonly<Record<LossPart, number>>;
  /** Softmax of the gate, [N, 2] row-major. */
  readonly gateProbabilities: Float32Array;
  /** Global gradient norm before clipping. */
  readonly gradNorm: number;
  /** False: something was NaN or infinite and the update was suppressed. */
  readonly finite: boolean;
}

export interface TrainStepOptions {
  readonly engine: Engine;
  readonly model: GatedMultitaskNet;
  readonly optimizer: Optimizer;
  readonly gate: GradientGate;
  readonly ema: EMA | null;
  readonly objective: ObjectiveOptions;
  readonly constants: ObjectiveConstants;
  /** gate: only rows that the gate routes to their own task train its expert. Needs a wait for the gate in each step. */
  readonly routing: 'supervised' | 'gate';
  /** Record the step once and replay it (GPU backends only). Default true. */
  readonly capture?: boolean;
}

interface Inputs {
  readonly image: Tensor;
  readonly targets: Targets;
  readonly routes: Routes;
}

interface Recorded {
  readonly inputs: Inputs;
  readonly report: Tensor;
  readonly present: readonly LossPart[];
  readonly step: CapturedStep | null;
}

const range = (start: number, end: number): number[] =>
  Array.from({ length: end - start }, (_, index) => start + index);

/**
 * One optimiser step of the multitask network: forward, loss, backward, clipping, update, moving average. Shapes are static, so the
 * step is recorded on its second run and replayed from then on; what varies (inputs, learning rate, dropout seeds) lives in
 * tensors that are written before each replay. Eager and replayed steps run the same kernels: they are bitwise equal.
 */
export class TrainStep {
  readonly #options: TrainStepOptions;
  /** Recorded steps by the batch's shape. */
  readonly #recorded = new Map<string, Recorded>();
  readonly #warm = new Set<string>();
  /** Settles when the last step with gate routing has. */
  #lastGated: Promise<void> = Promise.resolve();

  constructor(options: TrainStepOptions) {
    this.#options = options;
  }

  /** Records or replays the step for `batch` at `learningRate`. The promise is the report; the next step may be started before it. */
  run(batch: Batch, step: number, learningRate: number): Promise<StepReport> {
    const { model, optimizer, ema, routing } = this.#options;
    const prepare = (): void => {
      model.random.setStep(step);
      optimizer.lr = learningRate;
      optimizer.advance();
      ema?.advance();
    };
    if (routing === 'supervised') {
      prepare();
      return this.#runSupervised(batch);
    }
    // The gate must be asked after the step before has taught it, and that step's learning rate and masks are its own.
    const result = this.#lastGated.then(() => {
      prepare();
      return this.#runGated(batch);
    });
    this.#lastGated = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }

  #runSupervised(batch: Batch): Promise<StepReport> {
    const { engine, capture = true } = this.#options;
    const routes = ownRoutes(batch);
    const key = `${batch.task.length} ${routes.segmentation.length}`;
    const known = this.#recorded.get(key);
    if (known?.step) {
      this.#write(known.inputs, batch);
      engine.backend.flush?.();
      known.step.replay();
      return this.#read(known.report, known.present, batch.task.length);
    }
    const inputs = known?.inputs ?? this.#makeInputs(batch, routes);
    this.#write(inputs, batch);
    if (!(engine.backend instanceof GpuBackend) || !capture || !this.#warm.has(key)) {
      // The first run compiles kernels and makes lasting tensors: it stays eager.
      this.#warm.add(key);
      this.#recorded.set(key, { inputs, report: inputs.image, present: [], step: null });
      const { report, present } = this.#record(inputs);
      const result = this.#read(report, present, batch.task.length);
      report.dispose();
      return result;
    }
    let made: { report: Tensor; present: LossPart[] } | null = null;
    const captured = engine.backend.gpu.capture(() => {
      made = this.#record(inputs);
    });
    // What the eager run used is of no use any more: the recorded step has memory of its own.
    engine.backend.gpu.trim();
    const { report, present } = made as unknown as { report: Tensor; present: LossPart[] };
    this.#recorded.set(key, { inputs, report, present, step: captured });
    return this.#read(report, present, batch.task.length);
  }

  /** As the gate decides: a row that it sends to the other task's expert has no labels there and teaches the gate alone. */
  async #runGated(batch: Batch): Promise<StepReport> {
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
    const kept = (task: number): number[] =>
      range(0, batch.task.length).filter(
        (row) => batch.task[row] === task && (logits[2 * row + 1] > logits[2 * row] ? 1 : 0) === task,
      );
    const inputs = this.#makeInputs(batch, { segmentation: kept(0), classification: kept(1) });
    this.#write(inputs, batch);
    const { report, present } = this.#record(inputs);
    const result = this.#read(report, present, batch.task.length);
    report.dispose();
    disposeInputs(inputs);
    return result;
  }

  #makeInputs(batch: Batch, routes: Routes): Inputs {
    const { engine } = this.#options;
    const shape = imageShape(batch);
    const { segmentation, classification } = routes;
    const empty = (extents: readonly number[], dtype: 'f32' | 'i32'): Tensor => engine.empty(extents, { dtype }).keep();
    const graded = classification.length > 0;
    return {
      image: empty(shape, 'f32'),
      routes,
      targets: {
        task: empty([batch.task.length], 'i32'),
        masks: segmentation.length > 0 ? empty([segmentation.length, shape[1], shape[2], 5], 'f32') : null,
        retino: graded ? empty([classification.length], 'i32') : null,
        edema: graded ? empty([classification.length], 'i32') : null,
      },
    };
  }

  #write({ image, targets, routes }: Inputs, batch: Batch): void {
    image.write(batch.image);
    targets.task.write(batch.task);
    const { segmentation, classification } = routes;
    if (targets.masks) {
      const elements = targets.masks.size / segmentation.length;
      const masks = new Float32Array(targets.masks.size);
      segmentation.forEach((row, index) => {
        masks.set(batch.masks.subarray(row * elements, (row + 1) * elements), index * elements);
      });
      targets.masks.write(masks);
    }
    targets.retino?.write(Int32Array.from(classification, (row) => batch.retino[row]));
    targets.edema?.write(Int32Array.from(classification, (row) => batch.edema[row]));
  }

  /** The device's whole work of a step. The report's tensor outlives the scope. */
  #record(inputs: Inputs): { report: Tensor; present: LossPart[] } {
    const { engine, model, optimizer, gate, ema } = this.#options;
    return engine.scope(() => {
      const output = model.forward(inputs.image, inputs.routes);
      const { total, parts } = objective(output, inputs.targets, this.#options.objective, this.#options.constants);
      total.backward();
      gate.measure(total);
      optimizer.update(gate);
      ema?.update();
      optimizer.zeroGrad();
      const present = LOSS_PARTS.filter((part) => parts[part]);
      const scalars = present.map((part) => (parts[part] as Tensor).detach().reshape([1]));
      const report = engine.noGrad(() => F.concat([...scalars, gate.tensor, output.gateLogits.reshape([-1])], 0));
      engine.keep(report);
      return { report, present };
    });
  }

  async #read(report: Tensor, present: readonly LossPart[], rows: number): Promise<StepReport> {
    const numbers = await report.data();
    const losses = Object.fromEntries(LOSS_PARTS.map((part) => [part, Number.NaN])) as Record<LossPart, number>;
    present.forEach((part, index) => {
      losses[part] = numbers[index];
    });
    const [, gradNorm, nonFinite] = numbers.slice(present.length, present.length + 4);
    const logits = numbers.slice(present.length + 4, present.length + 4 + 2 * rows);
    const gateProbabilities = new Float32Array(2 * rows);
    for (let row = 0; row < rows; row++) {
      const probability = 1 / (1 + Math.exp(logits[2 * row] - logits[2 * row + 1]));
      gateProbabilities[2 * row] = 1 - probability;
      gateProbabilities[2 * row + 1] = probability;
    }
    return { losses, gateProbabilities, gradNorm, finite: nonFinite === 0 };
  }

  /** Repeats the step on `batch` with every result read back: which op was the first to give NaN or infinity. */
  async diagnose(batch: Batch, step: number): Promise<NonFiniteFinding | null> {
    const { engine, model } = this.#options;
    model.random.setStep(step);
    const inputs = this.#makeInputs(batch, ownRoutes(batch));
    this.#write(inputs, batch);
    try {
      return await findNonFinite(engine, () => this.#record(inputs).report.dispose());
    } finally {
      disposeInputs(inputs);
    }
  }

  /** One step on `batch`, every program held against its float64 reference. */
  async verify(batch: Batch, step: number): Promise<VerifiedOp[]> {
    const { engine, model, optimizer, ema } = this.#options;
    model.random.setStep(step);
    optimizer.advance();
    ema?.advance();
    const inputs = this.#makeInputs(batch, ownRoutes(batch));
    this.#write(inputs, batch);
    try {
      return await verify(engine, () => this.#record(inputs).report.dispose());
    } finally {
      disposeInputs(inputs);
    }
  }

  dispose(): void {
    for (const { inputs, report, step } of this.#recorded.values()) {
      if (step) report.dispose();
      step?.dispose();
      disposeInputs(inputs);
    }
    this.#recorded.clear();
  }
}

/** Each row to its own task's expert; segmentation rows come first in a batch. */
function ownRoutes(batch: Batch): Routes {
  const segmented = batch.task.filter((task) => task === 0).length;
  return { segmentation: range(0, segmented), classification: range(segmented, batch.task.length) };
}

function disposeInputs({ image, targets }: Inputs): void {
  for (const tensor of [image, ...Object.values(targets)]) tensor?.dispose();
}

function imageShape(batch: Batch): number[] {
  const rows = batch.task.length;
  const side = Math.sqrt(batch.image.length / rows / 3);
  return [rows, side, side, 3];
}
