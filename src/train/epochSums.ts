import type { StepReport } from './step.ts';
import { LOSS_PARTS } from './objective.ts';

/** Plain JSON: part of a checkpoint, so that a resumed epoch reports the same means. */
export interface EpochSumsState {
  readonly losses: Readonly<Record<string, number>>;
  readonly counts: Readonly<Record<string, number>>;
  readonly gateRight: number;
  readonly images: number;
}

/** How the gate decided on one batch: rows sent to their own task, and rows sent to segmentation. */
export interface GateCounts {
  readonly right: number;
  readonly toSegmentation: number;
}

/** Counts a batch's hard routes against its tasks (0: segmentation). */
export function countRoutes({ gateProbabilities }: StepReport, tasks: ArrayLike<number>): GateCounts {
  let right = 0;
  let toSegmentation = 0;
  for (let row = 0; row < tasks.length; row++) {
    const route = gateProbabilities[2 * row + 1] > gateProbabilities[2 * row] ? 1 : 0;
    if (route === tasks[row]) right++;
    if (route === 0) toSegmentation++;
  }
  return { right, toSegmentation };
}

/** Means of an epoch's steps. */
export class EpochSums {
  #losses: Record<string, number> = {};
  #counts: Record<string, number> = {};
  #gateRight = 0;
  #images = 0;

  /** Adds a step. Values that are NaN (a part without rows) do not count. */
  add(values: Readonly<Record<string, number>>, gateRight: number, images: number): void {
    this.#gateRight += gateRight;
    this.#images += images;
    for (const [name, value] of Object.entries(values)) {
      if (Number.isNaN(value)) continue;
      this.#losses[name] = (this.#losses[name] ?? 0) + value;
      this.#counts[name] = (this.#counts[name] ?? 0) + 1;
    }
  }

  /** The epoch log's training columns; NaN where nothing was measured. */
  columns(): Record<string, number> {
    const names = [...LOSS_PARTS, 'weight_segmentation', 'weight_classification', 'gradientCosine'];
    const means = Object.fromEntries(names.map((name) => [`train_${name}`, Number.NaN]));
    for (const [name, sum] of Object.entries(this.#losses)) means[`train_${name}`] = sum / this.#counts[name];
    return { ...means, train_gateAccuracy: this.#gateRight / this.#images };
  }

  reset(): void {
    this.restore({ losses: {}, counts: {}, gateRight: 0, images: 0 });
  }

  state(): EpochSumsState {
    return { losses: this.#losses, counts: this.#counts, gateRight: this.#gateRight, images: this.#images };
  }

  restore({ losses, counts, gateRight, images }: EpochSumsState): void {
    this.#losses = { ...losses };
    this.#counts = { ...counts };
    this.#gateRight = gateRight;
    this.#images = images;
  }
}
