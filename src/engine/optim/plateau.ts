/** The schedule that lowers the rate when a figure stops improving (torch.optim.lr_scheduler.ReduceLROnPlateau). */
import { GmtlError, show } from '../errors.ts';
import { checkAttributes } from '../arguments.ts';
import { requireSetting } from './parameters.ts';

/** Options of {@link Plateau}. */
export interface PlateauOptions {
  /** Whether a smaller (`min`) or a larger (`max`) value is the better one. */
  readonly mode: 'min' | 'max';
  /** What the learning rate is multiplied by. Default 0.1. */
  readonly factor?: number;
  /** Observations without improvement that are tolerated; the next one lowers the rate. Default 10. */
  readonly patience?: number;
  /** A value counts as an improvement if it is better than the best by this fraction of it. Default 1e-4. */
  readonly threshold?: number;
  /** Observations after a reduction in which none counts as bad. Default 0. */
  readonly cooldown?: number;
  /** The least factor of the peak rate. Default 0. */
  readonly minFactor?: number;
}

const OPTIONS = {
  mode: ['min', 'max'],
  factor: 'real?',
  patience: 'real?',
  threshold: 'real?',
  cooldown: 'real?',
  minFactor: 'real?',
} as const;

/** The whole state of a {@link Plateau}; plain JSON. `best` is null before the first observation. */
export interface PlateauState {
  readonly factor: number;
  readonly best: number | null;
  readonly bad: number;
  readonly cooldown: number;
}

/**
 * Lowers the learning rate when a validation figure stops improving: torch.optim.lr_scheduler.ReduceLROnPlateau with
 * threshold_mode 'rel', the rate kept as a factor of the peak.
 */
export class Plateau {
  readonly #mode: 'min' | 'max';
  readonly #reduction: number;
  readonly #patience: number;
  readonly #threshold: number;
  readonly #cooldown: number;
  readonly #minFactor: number;
  #state: PlateauState = { factor: 1, best: null, bad: 0, cooldown: 0 };

  /** @throws GmtlError `optim/setting` for a setting out of range. */
  constructor(options: PlateauOptions) {
    checkAttributes('Plateau', OPTIONS, options);
    const { mode, factor = 0.1, patience = 10, threshold = 1e-4, cooldown = 0, minFactor = 0 } = options;
    if (mode === undefined) throw new GmtlError('optim/setting', "Plateau: mode is missing; it takes 'min' or 'max'");
    requireSetting('plateau factor', factor, factor > 0 && factor < 1);
    requireSetting('plateau patience', patience, Number.isInteger(patience) && patience >= 0);
    requireSetting('plateau threshold', threshold, threshold >= 0);
    requireSetting('plateau cooldown', cooldown, Number.isInteger(cooldown) && cooldown >= 0);
    requireSetting('plateau minFactor', minFactor, minFactor >= 0 && minFactor <= 1);
    this.#mode = mode;
    this.#reduction = factor;
    this.#patience = patience;
    this.#threshold = threshold;
    this.#cooldown = cooldown;
    this.#minFactor = minFactor;
  }

  /** The current factor of the peak learning rate. */
  get factor(): number {
    return this.#state.factor;
  }

  /** Takes one validation's value; returns whether it lowered the rate. A NaN is not an improvement. */
  observe(value: number): boolean {
    let { factor, best, bad, cooldown } = this.#state;
    if (this.#better(value, best)) {
      best = value;
      bad = 0;
    } else {
      bad++;
    }
    if (cooldown > 0) {
      cooldown--;
      bad = 0;
    }
    let lowered = false;
    if (bad > this.#patience) {
      const next = Math.max(factor * this.#reduction, this.#minFactor);
      // torch's eps: a change this small is not made.
      lowered = factor - next > 1e-8;
      if (lowered) factor = next;
      cooldown = this.#cooldown;
      bad = 0;
    }
    this.#state = { factor, best, bad, cooldown };
    return lowered;
  }

  #better(value: number, best: number | null): boolean {
    if (Number.isNaN(value)) return false;
    if (best === null) return true;
    return this.#mode === 'min' ? value < best * (1 - this.#threshold) : value > best * (1 + this.#threshold);
  }

  /** The whole state as plain JSON, for a checkpoint; {@link restore} takes it. */
  state(): PlateauState {
    return this.#state;
  }

  /** Continues from what `state()` gave. @throws GmtlError `optim/state` where the record is not one. */
  restore(state: PlateauState): void {
    const { factor, best, bad, cooldown } = state ?? ({} as PlateauState);
    const numbers = [factor, bad, cooldown, best ?? 0];
    if (!numbers.every(Number.isFinite) || !(factor > 0)) {
      throw new GmtlError('optim/state', `a plateau schedule cannot go on from ${show(state)}`);
    }
    this.#state = { factor, best, bad, cooldown };
  }
}
