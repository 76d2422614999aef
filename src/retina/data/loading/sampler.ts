/** Draws which images each training batch holds. */
import { GmtlError } from '../../../engine/errors.ts';
import { KeyedRandom, STREAMS } from '../../random.ts';
import { type DatasetItem, type Structure, STRUCTURES, type Task, TASKS } from '../../domain.ts';

/** One drawn row of a batch. */
export interface Draw {
  /** Index into the items the sampler was made of. */
  readonly index: number;
  readonly task: Task;
  /** How often the item's pool was walked before this draw, and the place in the current walk: the augmentation's address. */
  readonly pass: number;
  readonly place: number;
}

export interface SamplerOptions {
  readonly seed: number;
  /** Images of each task in every batch. */
  readonly segmentationPerBatch: number;
  readonly classificationPerBatch: number;
  /** Draw every retinopathy grade equally often. Default false: IDRiD's natural frequencies. */
  readonly balanceGrades?: boolean;
  /**
   * Draw segmentation images by structure: each that occurs has its turn equally often, and an image with a mask of it is drawn. In IDRiD soft exudates, which only 26 of 54 training images have, then come in three draws of five instead of one
   * in two. Images without any of the structures have a turn of their own. True: all five; a list: only these (those the
   * model segments; the rarer the structures listed, the stronger the effect). Default false.
   */
  readonly balanceLesions?: boolean | readonly Structure[];
}

/** Where a sampler stands. */
export interface SamplerState {
  readonly step: number;
}

/**
 * Draws batches with a fixed number of images of each task. Each task's images are walked in shuffled passes: every image
 * comes once before any comes again. This replaces System B's eightfold copies of the segmentation list.
 *
 * `batch(step)` is a pure function of the items, the options and the step: a resumed run draws exactly the same.
 */
export class TaskBalancedSampler {
  readonly items: readonly DatasetItem[];
  readonly options: SamplerOptions;
  /** Images in a batch. */
  readonly batchSize: number;
  /** Batches after which every image has been drawn at least once (each grade's share of the walk aside). */
  readonly stepsPerEpoch: number;
  readonly #pools: Readonly<Record<Task, Pool>>;
  #step = 0;

  /**
   * @param items the training split; rows of other splits are refused.
   * @throws GmtlError `data/sampler-split`, `data/sampler-count` (not whole numbers), `data/sampler-empty` (a task that is asked for has no images).
   */
  constructor(items: readonly DatasetItem[], options: SamplerOptions) {
    const { segmentationPerBatch, classificationPerBatch, seed } = options;
    const stray = items.find((item) => item.split !== 'train');
    if (stray !== undefined) {
      throw new GmtlError(
        'data/sampler-split',
        `The sampler draws training images only; ${stray.id} is in the ${stray.split} split.`,
      );
    }
    const counts = { segmentation: segmentationPerBatch, classification: classificationPerBatch };
    for (const task of TASKS) {
      if (!Number.isInteger(counts[task]) || counts[task] < 0) {
        throw new GmtlError(
          'data/sampler-count',
          `${counts[task]} ${task} images per batch: give a whole number from 0 on.`,
        );
      }
    }
    this.batchSize = segmentationPerBatch + classificationPerBatch;
    if (this.batchSize === 0)
      throw new GmtlError('data/sampler-count', 'A batch of 0 images: ask for images of at least one task.');
    this.items = items;
    this.options = options;
    const members = (task: Task) => items.flatMap((item, index) => (item.task === task ? [index] : []));
    const { balanceGrades = false, balanceLesions = false } = options;
    const byTask = { segmentation: members('segmentation'), classification: members('classification') };
    const structures = balanceLesions === true ? STRUCTURES : balanceLesions === false ? null : balanceLesions;
    const byStructure =
      structures === null ? [byTask.segmentation] : structureClasses(items, byTask.segmentation, structures);
    const byGrade = balanceGrades ? gradeClasses(items, byTask.classification) : [byTask.classification];
    this.#pools = {
      segmentation: new Pool(byStructure, byTask.segmentation.length, seed, 0),
      classification: new Pool(byGrade, byTask.classification.length, seed, 1),
    };
    let steps = 1;
    for (const task of TASKS) {
      const size = this.#pools[task].size;
      if (counts[task] > 0 && size === 0) {
        throw new GmtlError(
          'data/sampler-empty',
          `${counts[task]} ${task} images per batch are asked for, but the training split has none. Add them, or set data.${task}PerBatch to 0.`,
        );
      }
      if (counts[task] > 0) steps = Math.max(steps, Math.ceil(size / counts[task]));
    }
    this.stepsPerEpoch = steps;
  }

  /** The rows of batch `step` (0, 1, …): segmentation first. */
  batch(step: number): Draw[] {
    const { segmentationPerBatch, classificationPerBatch } = this.options;
    const rows: Draw[] = [];
    for (let row = 0; row < segmentationPerBatch; row++) {
      rows.push({ task: 'segmentation', ...this.#pools.segmentation.at(step * segmentationPerBatch + row) });
    }
    for (let row = 0; row < classificationPerBatch; row++) {
      rows.push({ task: 'classification', ...this.#pools.classification.at(step * classificationPerBatch + row) });
    }
    return rows;
  }

  /** The next batch's rows. */
  next(): Draw[] {
    return this.batch(this.#step++);
  }

  state(): SamplerState {
    return { step: this.#step };
  }

  /** Continues where `state()` was taken. @throws GmtlError `data/sampler-state` when the step is not a whole number from 0 on. */
  restore(state: SamplerState): void {
    if (!Number.isInteger(state.step) || state.step < 0) {
      throw new GmtlError(
        'data/sampler-state',
        `A sampler cannot continue at step ${state.step}: the saved state is damaged.`,
      );
    }
    this.#step = state.step;
  }
}

interface PoolDraw {
  readonly index: number;
  readonly pass: number;
  readonly place: number;
}

/** The members of each retinopathy grade that occurs, ungraded ones together. */
function gradeClasses(items: readonly DatasetItem[], members: readonly number[]): number[][] {
  const gradeOf = (index: number) => items[index].retinopathy ?? -1;
  const present = [...new Set(members.map(gradeOf))].sort((a, b) => a - b);
  return present.map((grade) => members.filter((index) => gradeOf(index) === grade));
}

/** The members with a mask of each structure that occurs, and those without any: an image may be in several classes. */
function structureClasses(
  items: readonly DatasetItem[],
  members: readonly number[],
  structures: readonly Structure[],
): number[][] {
  const has = (index: number, structure: Structure) => (items[index].maskPaths?.[structure] ?? null) !== null;
  const classes = structures.map((structure) => members.filter((index) => has(index, structure)));
  classes.push(members.filter((index) => !structures.some((structure) => has(index, structure))));
  return classes.filter((list) => list.length > 0);
}

/** The images of one task in one class or several, the classes in turn, each walked in shuffled passes. */
class Pool {
  /** Number of different images. */
  readonly size: number;
  readonly #classes: readonly (readonly number[])[];
  readonly #seed: number;
  readonly #stream: number;
  /** The latest order of each class and of the classes: consecutive draws nearly always share them. */
  readonly #orders = new Map<number, { pass: number; order: Uint32Array }>();

  constructor(classes: readonly (readonly number[])[], size: number, seed: number, stream: number) {
    this.size = size;
    this.#seed = seed;
    this.#stream = stream;
    this.#classes = classes;
  }

  /** Draw number `position` (0, 1, …). */
  at(position: number): PoolDraw {
    const classes = this.#classes.length;
    const round = Math.floor(position / classes);
    // Within a round of the classes their order is shuffled too: a batch must not always begin with grade 0.
    const turn = classes === 1 ? 0 : this.#order(-1, classes, round)[position % classes];
    const members = this.#classes[turn];
    const pass = Math.floor(round / members.length);
    const place = round % members.length;
    return { index: members[this.#order(turn, members.length, pass)[place]], pass, place: place * classes + turn };
  }

  #order(which: number, count: number, pass: number): Uint32Array {
    const known = this.#orders.get(which);
    if (known !== undefined && known.pass === pass) return known.order;
    const stream = which < 0 ? STREAMS.classOrder : STREAMS.shuffle;
    const order = new KeyedRandom(this.#seed, stream, pass, this.#stream * 256 + Math.max(0, which)).permutation(count);
    this.#orders.set(which, { pass, order });
    return order;
  }
}
