/** What all optimizers share: parameter groups, learning rate, state. */
import type { Engine } from '../autograd/engine.ts';
import type { Tensor } from '../autograd/tensor.ts';
import { GmtlError } from '../errors.ts';
import type { StepSlot } from '../ops/optimizer/attributes.ts';
import { StateArena } from './arena.ts';
import type { GradientGuard } from './gradientGuard.ts';
import {
  type GivenParameter,
  type ParameterGroup,
  type ResolvedParameter,
  requireLive,
  requireSetting,
  resolveParameters,
} from './parameters.ts';
import { type OptimizerState, stateTensor } from './state.ts';

/**
 * What AdamW and SGD share. A step has two halves, so that it can be captured once and replayed: `advance` (host: counts, writes
 * what varies to the device) and `update` (device: a dispatch for every few parameters). `step` does both.
 *
 * A step that the guard suppresses still counts: the host does not know of it. AdamW's bias corrections then run a step ahead,
 * which makes a difference in the first few steps only.
 */
export abstract class Optimizer {
  protected readonly engine: Engine;
  protected readonly params: readonly ResolvedParameter[];
  readonly #arena: StateArena<ResolvedParameter>;
  readonly #openGuard: Tensor;
  /** How many parameters a step's program may be given, the most first; 1 is among them. */
  readonly #counts: readonly number[];
  #lr = 0;
  #stepCount = 0;

  protected constructor(
    params: Iterable<GivenParameter | ParameterGroup>,
    settings: { readonly lr: number; readonly weightDecay: number },
    moments: readonly string[],
    counts: readonly number[],
  ) {
    this.#counts = [...counts].sort((a, b) => b - a);
    this.lr = settings.lr;
    this.params = resolveParameters(params, settings.weightDecay);
    const { engine } = this.params[0].tensor;
    this.engine = engine;
    this.#arena = new StateArena(engine, this.params, moments, 'optimiser state');
    this.#openGuard = stateTensor(engine, [4], new Float32Array([1, 0, 0, 0]), 'open guard');
  }

  /** Base learning rate of the next steps; a schedule sets it before each. */
  get lr(): number {
    return this.#lr;
  }

  set lr(lr: number) {
    requireSetting('lr', lr, lr >= 0);
    this.#lr = lr;
  }

  /** Steps done, suppressed ones among them. */
  get stepCount(): number {
    return this.#stepCount;
  }

  /** The four numbers of step `step` (1 for the first). */
  protected abstract hyperValues(step: number): readonly [number, number, number, number];

  /** Records the update of one of the `counts` of parameters that the optimizer was made with. Inputs of a step's program: state, guard, parameter, gradient, … */
  protected abstract updateParameters(inputs: readonly Tensor[], slots: readonly StepSlot[]): void;

  /** The host's half of a step: counts it and writes learning rate and bias corrections. Not inside a capture. */
  advance(): void {
    this.#stepCount++;
    this.#arena.writeHead(this.hyperValues(this.#stepCount));
  }

  /** The device's half of a step. Parameters without a gradient are skipped. */
  update(guard?: GradientGuard): void {
    for (const { name, tensor } of this.params) requireLive(name, tensor);
    for (const batch of this.#arena.batches(this.#counts, ({ tensor }) => tensor.grad !== null)) {
      const pairs = batch.flatMap(({ parameter: { tensor } }) => [tensor, tensor.grad as Tensor]);
      const slots = batch.map(({ parameter: { lrScale, weightDecay }, first }) => ({ first, lrScale, weightDecay }));
      this.updateParameters([batch[0].buffer.tensor, guard?.tensor ?? this.#openGuard, ...pairs], slots);
    }
  }

  /** One step with the current gradients, scaled or suppressed by `guard` (whose `measure` was called) where given. */
  step(guard?: GradientGuard): void {
    for (const { name, tensor } of this.params) requireLive(name, tensor);
    this.advance();
    this.update(guard);
  }

  /** Frees the gradients, as PyTorch's set_to_none. */
  zeroGrad(): void {
    for (const { tensor } of this.params) {
      tensor.grad?.dispose();
      tensor.grad = null;
    }
  }

  /** Waits for the device and reads all moments. */
  async stateDict(): Promise<OptimizerState> {
    const step = this.#stepCount;
    return { step, tensors: await this.#arena.read() };
  }

  /** Continues from `state`. Throws `optim/state` where names or sizes differ; nothing is written then. */
  loadStateDict(state: OptimizerState): void {
    if (!Number.isInteger(state.step) || state.step < 0) {
      throw new GmtlError('optim/state', `an optimiser cannot have done ${state.step} steps`);
    }
    this.#arena.write(this.constructor.name, state.tensors);
    this.#stepCount = state.step;
  }

  /** Frees the moments; the parameters stay. */
  dispose(): void {
    this.#arena.dispose();
    this.#openGuard.dispose();
  }
}
