/** The exponential moving average of weights. */
import type { Engine } from '../autograd/engine.ts';
import { GmtlError } from '../errors.ts';
import { AVERAGED_COUNTS, averagesProgram } from '../ops/optimizer/averages.ts';
import { swapProgram } from '../ops/optimizer/elementwise.ts';
import { checkAttributes } from '../arguments.ts';
import { StateArena } from './arena.ts';
import { type GivenParameter, type NamedParameter, nameParameters, requireSetting } from './parameters.ts';
import { checkState, type OptimizerState } from './state.ts';

/** Options of {@link EMA}. */
export interface EMAOptions {
  /** Share of the average that each update keeps. Default 0.9998 (timm's 0.9999 suits longer training). */
  readonly decay?: number;
  /** Shorter averaging early on: decay = min(decay, 1 - (1 + step)^(-2/3)), as timm's ModelEmaV3 with warm-up. Default true. */
  readonly warmup?: boolean;
}

/**
 * Exponential moving average of weights (and of other state, such as running statistics, where given), on the device. The
 * averages start as copies at the first update.
 */
export class EMA {
  readonly #engine: Engine;
  readonly #decay: number;
  readonly #warmup: boolean;
  readonly #arena: StateArena<NamedParameter>;
  #stepCount = 0;
  #swapped = false;

  constructor(params: Iterable<GivenParameter>, options: EMAOptions = {}) {
    checkAttributes('EMA', { decay: 'real?', warmup: 'flag?' }, options);
    const { decay = 0.9998, warmup = true } = options;
    requireSetting('EMA decay', decay, decay >= 0 && decay < 1);
    const list = nameParameters(params);
    this.#decay = decay;
    this.#warmup = warmup;
    this.#engine = list[0].tensor.engine;
    this.#arena = new StateArena(this.#engine, list, [''], 'weight averages');
  }

  /** Updates done. */
  get stepCount(): number {
    return this.#stepCount;
  }

  /** Whether the parameters now hold the averages. */
  get swapped(): boolean {
    return this.#swapped;
  }

  /**
   * Decay of update `step`, counted from 0. As in timm's ModelEmaV3.get_decay, the first is 0: the average starts as a copy of
   * the weights after the first step.
   */
  decayAt(step: number): number {
    checkAttributes('EMA.decayAt', { step: 'count' }, { step });
    if (step === 0) return 0;
    return this.#warmup ? Math.min(this.#decay, 1 - (1 + step) ** (-2 / 3)) : this.#decay;
  }

  /** The host's half of an update: writes the decay of this step. Not inside a capture. @throws GmtlError `optim/ema` while swapped in. */
  advance(): void {
    this.#requireOut('advance');
    const weight = 1 - this.decayAt(this.#stepCount);
    this.#arena.writeHeads(() => [weight, 0, 0, 0]);
    this.#stepCount++;
  }

  /** The device's half of an update: a dispatch for every few parameters, which a capture may hold. @throws GmtlError `optim/ema` while swapped in. */
  update(): void {
    this.#requireOut('update');
    for (const batch of this.#arena.batches(AVERAGED_COUNTS, () => true)) {
      const tensors = batch.map(({ parameter }) => parameter.tensor);
      this.#engine.run(averagesProgram, [batch[0].buffer.tensor, ...tensors], {
        first: batch.map(({ first }) => first),
      });
    }
  }

  /** One update, to be called after each optimizer step: average = decay · average + (1 - decay) · weight. @throws GmtlError `optim/ema` while swapped in. */
  step(): void {
    this.advance();
    this.update();
  }

  /** Exchanges parameters and averages on the device; a second call undoes it. @throws GmtlError `optim/ema` before the first update. */
  swap(): void {
    if (this.#stepCount === 0) throw new GmtlError('optim/ema', 'EMA.swap: there is no average before the first step');
    for (const { parameter, buffer, first } of this.#arena.places) {
      this.#engine.run(swapProgram, [parameter.tensor, buffer.tensor], { first });
    }
    this.#engine.atEachRun(() => {
      this.#swapped = !this.#swapped;
    });
  }

  /**
   * Runs `body` with the averages in place of the parameters, and restores the parameters even if it throws.
   * @throws GmtlError `optim/ema` before the first update and while swapped in; what `body` throws.
   */
  async evaluate<T>(body: () => T | Promise<T>): Promise<T> {
    this.#requireOut('evaluate');
    this.swap();
    try {
      return await body();
    } finally {
      this.swap();
    }
  }

  /** Waits for the device and reads the averages, float32 by parameter name, and the count of updates. @throws GmtlError `optim/ema` while swapped in. */
  async stateDict(): Promise<OptimizerState> {
    this.#requireOut('stateDict');
    const step = this.#stepCount;
    return { step, tensors: await this.#arena.read() };
  }

  /** Continues from `state`. @throws GmtlError `optim/state` where names or sizes differ, and `optim/ema` while swapped in; nothing is written then. */
  loadStateDict(state: OptimizerState): void {
    this.#requireOut('loadStateDict');
    checkState('EMA', state);
    this.#arena.write('EMA', state.tensors);
    this.#stepCount = state.step;
  }

  /** Frees the averages; the parameters stay. */
  dispose(): void {
    this.#arena.dispose();
  }

  #requireOut(what: string): void {
    if (this.#swapped) throw new GmtlError('optim/ema', `EMA.${what}: the averages are swapped in; call swap() first`);
  }
}
