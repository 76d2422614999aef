/** The training half of an epoch's row: means over its steps, which a checkpoint carries into a resumed run. */
import { LOSS_PARTS } from './objective.ts';
import { GRADED_TASKS, type GradedTask } from '../domain.ts';
import type { GradeCount, StepReport } from './stepReport.ts';

/** Plain JSON: part of a checkpoint, so that a resumed epoch reports the same means. */
export interface EpochSumsState {
  readonly losses: Readonly<Record<string, number>>;
  readonly counts: Readonly<Record<string, number>>;
  readonly gateRight: number;
  readonly images: number;
  readonly grades: Readonly<Record<GradedTask, GradeCount>>;
}

const NO_GRADES = { retinopathy: { right: 0, of: 0 }, edema: { right: 0, of: 0 } } as const;

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
  #grades: Record<GradedTask, GradeCount> = { ...NO_GRADES };

  /** Adds a step. Values that are NaN (a part without rows) do not count. */
  add(
    values: Readonly<Record<string, number>>,
    gateRight: number,
    images: number,
    grades: Readonly<Record<GradedTask, GradeCount>>,
  ): void {
    for (const task of GRADED_TASKS) {
      const { right, of } = this.#grades[task];
      this.#grades[task] = { right: right + grades[task].right, of: of + grades[task].of };
    }
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
    const { retinopathy, edema } = this.#grades;
    return {
      ...means,
      train_gateAccuracy: this.#gateRight / this.#images,
      train_retinopathyAccuracy: retinopathy.right / retinopathy.of,
      train_edemaAccuracy: edema.right / edema.of,
    };
  }

  reset(): void {
    this.restore({ losses: {}, counts: {}, gateRight: 0, images: 0 });
  }

  state(): EpochSumsState {
    return {
      losses: this.#losses,
      counts: this.#counts,
      gateRight: this.#gateRight,
      images: this.#images,
      grades: this.#grades,
    };
  }

  /** `grades` are absent in checkpoints from before they were counted. */
  restore({
    losses,
    counts,
    gateRight,
    images,
    grades = NO_GRADES,
  }: Omit<EpochSumsState, 'grades'> & Partial<EpochSumsState>): void {
    this.#grades = { ...grades };
    this.#losses = { ...losses };
    this.#counts = { ...counts };
    this.#gateRight = gateRight;
    this.#images = images;
  }
}
