/** Which validation figure ranks checkpoints, which checkpoints stay, and when training has stopped improving. */
import { closest } from 'fastest-levenshtein';
import { currentFigure } from '../config/renamed.ts';
import { GmtlError } from '../../engine/errors.ts';
import { VALIDATION_FIGURES } from '../metrics/validationFigures.ts';

/** A validation figure that may rank checkpoints. */
export interface BestMetric {
  readonly name: string;
  /** Its column in the epoch log. */
  readonly column: string;
  readonly mode: 'min' | 'max';
}

/** What `training.bestMetric` may name. */
export const BEST_METRICS: readonly BestMetric[] = VALIDATION_FIGURES.map(({ rankedAs, column, better }) => ({
  name: rankedAs,
  column: `val_${column}`,
  mode: better === 'high' ? 'max' : 'min',
}));

/** @throws GmtlError `train/metric` with the nearest name for one that is not known. */
export function bestMetric(name: string): BestMetric {
  const found = BEST_METRICS.find((one) => one.name === name || one.column === name);
  if (found) return found;
  const names = BEST_METRICS.map((one) => one.name);
  const current = currentFigure(name);
  if (current !== name && BEST_METRICS.some((one) => one.name === current || one.column === current)) {
    throw new GmtlError('train/metric', `training.bestMetric: "${name}" is called "${current}" now.`);
  }
  throw new GmtlError(
    'train/metric',
    `training.bestMetric: there is no validation figure "${name}". Did you mean "${closest(name, names)}"? Known: ${names.join(', ')}.`,
  );
}

/** A checkpoint that has a rank. */
export interface Ranked {
  readonly step: number;
  readonly value: number;
}

/** All a {@link Ranking} remembers; plain JSON. */
export interface RankingState {
  readonly entries: readonly Ranked[];
  readonly best: number | null;
  readonly sinceBest: number;
}

/** The best validations so far. Of equal ones the earlier is the better. */
export class Ranking {
  readonly metric: BestMetric;
  readonly #keep: number;
  #entries: readonly Ranked[] = [];
  #best: number | null = null;
  #sinceBest = 0;

  /** Keeps `keep` entries, at least 1. */
  constructor(one: BestMetric, keep: number) {
    this.metric = one;
    this.#keep = keep;
  }

  /** The best value; NaN before the first. */
  get best(): number {
    return this.#best ?? Number.NaN;
  }

  /** Validations since the best one; those whose figure was not defined count too. */
  get sinceBest(): number {
    return this.#sinceBest;
  }

  /** Steps of the checkpoints to keep, best first. */
  get steps(): number[] {
    return this.#entries.map(({ step }) => step);
  }

  /** Takes a validation's figure. True where the step has a rank, and so must be saved. */
  add(step: number, value: number): boolean {
    const better = (a: number, b: number): boolean => (this.metric.mode === 'max' ? a > b : a < b);
    const improved = !Number.isNaN(value) && (this.#best === null || better(value, this.#best));
    this.#sinceBest = improved ? 0 : this.#sinceBest + 1;
    if (Number.isNaN(value)) return false;
    if (improved) this.#best = value;
    const at = this.#entries.findIndex((entry) => better(value, entry.value));
    const place = at < 0 ? this.#entries.length : at;
    this.#entries = this.#entries.toSpliced(place, 0, { step, value }).slice(0, this.#keep);
    return place < this.#keep;
  }

  /** For a checkpoint. */
  state(): RankingState {
    return { entries: this.#entries, best: this.#best, sinceBest: this.#sinceBest };
  }

  /** Goes on from {@link state}; an entry whose checkpoint is not in `present` any more is let go. */
  restore(state: RankingState, present: ReadonlySet<number>): void {
    this.#entries = state.entries.filter(({ step }) => present.has(step)).slice(0, this.#keep);
    this.#best = state.best;
    this.#sinceBest = state.sinceBest;
  }
}
