/** What all optimizers share: parameter groups, learning rate, state. */
import type { Engine } from '../autograd/engine.ts';
import type { Tensor } from '../autograd/tensor.ts';
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
import { checkState, type OptimizerState, stateTensor } from './state.ts';

/**
 * What AdamW, SGD and RMSprop share. A step has two halves, so that it can be captured once and replayed: `advance` (host: counts, writes
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
  /** Steps in which a parameter had no gradient, of those before the one under way. */
  readonly #missed = new Map<ResolvedParameter, number>();
  /** Who had none in the last `update` or replay of one. */
  #idle: readonly ResolvedParameter[] = [];

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
    this.#arena = new StateArena(engine, this.params, moments, 'optimizer state');
    this.#openGuard = stateTensor(engine, [4], new Float32Array([1, 0, 0, 0]), 'open guard');
  }

  /** Base learning rate of the next steps; a schedule sets it before each. */
  get lr(): number {
    return this.#lr;
  }

  /** @throws GmtlError `optim/setting` for a negative rate. */
  set lr(lr: number) {
    requireSetting('lr', lr, lr >= 0);
    this.#lr = lr;
  }

  /** Steps done, suppressed ones among them. */
  get stepCount(): number {
    return this.#stepCount;
  }

  /** The four numbers that the optimizer's program takes for step `step` of a parameter (1 for the first): learning rate, bias corrections. */
  protected abstract hyperValues(step: number): readonly [number, number, number, number];

  /** Records the update of one of the `counts` of parameters that the optimizer was made with. Inputs of a step's program: state, guard, parameter, gradient, … */
  protected abstract updateParameters(inputs: readonly Tensor[], slots: readonly StepSlot[]): void;

  /**
   * The host's half of a step: counts it and writes learning rate and bias corrections, which go by the steps that a parameter took part
   * in, as PyTorch's. Not inside a capture.
   */
  advance(): void {
    const missed = this.#missedSoFar();
    const step = this.#stepCount + 1;
    this.#arena.writeHeads((parameter) => this.hyperValues(step - (missed.get(parameter) ?? 0)));
    // What was refused, such as in a capture, is no step.
    for (const [parameter, count] of missed) this.#missed.set(parameter, count);
    this.#stepCount = step;
  }

  /** As `#missed`, with the step under way. */
  #missedSoFar(): Map<ResolvedParameter, number> {
    const missed = new Map(this.#missed);
    for (const parameter of this.#idle) missed.set(parameter, (missed.get(parameter) ?? 0) + 1);
    return missed;
  }

  /**
   * The device's half of a step, which a capture may hold: updates every parameter by its `grad`; those without one are skipped.
   * `guard` as in {@link step}.
   * @throws GmtlError `tensor/freed` where a parameter was freed.
   */
  update(guard?: GradientGuard): void {
    for (const { name, tensor } of this.params) requireLive(name, tensor);
    const idle = this.params.filter(({ tensor }) => tensor.grad === null);
    this.engine.atEachRun(() => {
      this.#idle = idle;
    });
    for (const batch of this.#arena.batches(this.#counts, ({ tensor }) => tensor.grad !== null)) {
      const pairs = batch.flatMap(({ parameter: { tensor } }) => [tensor, tensor.grad as Tensor]);
      const slots = batch.map(({ parameter, head, first }) => {
        const { lrScale, weightDecay } = parameter;
        return { head, first, lrScale, weightDecay };
      });
      this.updateParameters([batch[0].buffer.tensor, guard?.tensor ?? this.#openGuard, ...pairs], slots);
    }
  }

  /**
   * One step with the current gradients, scaled or suppressed by `guard` (whose `measure` was called) where given. Does not wait for the device.
   * @throws GmtlError `tensor/freed` where a parameter was freed.
   */
  step(guard?: GradientGuard): void {
    for (const { name, tensor } of this.params) requireLive(name, tensor);
    this.advance();
    this.update(guard);
  }

  /** Frees the gradients of the optimizer's parameters and sets them to null, as PyTorch's set_to_none. */
  zeroGrad(): void {
    for (const { tensor } of this.params) {
      tensor.grad?.dispose();
      tensor.grad = null;
    }
  }

  /**
   * Waits for the device and reads all moments, float32 by parameter and moment, and the counts of steps: what a checkpoint keeps and
   * {@link loadStateDict} takes.
   */
  async stateDict(): Promise<OptimizerState> {
    const step = this.#stepCount;
    const missed = new Map([...this.#missedSoFar()].map(([{ name }, count]) => [name, count]));
    return { step, tensors: await this.#arena.read(), ...(missed.size > 0 && { missed }) };
  }

  /** Continues from `state`. Throws `optim/state` where names or sizes differ; nothing is written then. */
  loadStateDict(state: OptimizerState): void {
    checkState(this.constructor.name, state);
    this.#arena.write(this.constructor.name, state.tensors);
    this.#stepCount = state.step;
    this.#idle = [];
    this.#missed.clear();
    for (const parameter of this.params) {
      const count = state.missed?.get(parameter.name) ?? 0;
      if (count > 0) this.#missed.set(parameter, count);
    }
  }

  /** Frees the moments; parameters and gradients stay. */
  dispose(): void {
    this.#arena.dispose();
    this.#openGuard.dispose();
  }
}
