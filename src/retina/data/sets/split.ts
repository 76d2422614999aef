/** Carves a validation split from the training pictures. */
import { GmtlError } from '../../../engine/errors.ts';
import type { Fingerprint } from './fingerprint.ts';
import { groupSamePictures } from './samePictures.ts';
import { KeyedRandom, STREAMS } from '../../random.ts';
import { type DatasetItem, TASKS } from '../../domain.ts';

export interface SplitOptions {
  /** Share of the training pictures moved to validation, 0 … 0.5. */
  readonly valFraction: number;
  readonly seed: number;
  /**
   * What to do with training images that also are testing images: `drop` leaves the training copy out, with a note,
   * `refuse` throws, `keep` trains on them (only for reproducing others' leaky figures).
   */
  readonly leaks: 'drop' | 'refuse' | 'keep';
}

/** One image in ten: IDRiD's 413 graded training images leave too few of grade 1 (20) for more. Leaks are dropped. */
export const DEFAULT_SPLIT: SplitOptions = { valFraction: 0.1, seed: 0, leaks: 'drop' };

/** Ends the name of a stratum of pictures that have masks. */
const WITH_MASKS = ' with masks';

export interface SplitResult {
  readonly items: DatasetItem[];
  readonly notes: string[];
}

/**
 * Moves a share of the training pictures to the validation split. The testing images stay as they are.
 *
 * Pictures are drawn by content: the copies of one picture (part A and part B share eyes) go to the same side. The draw is
 * stratified by retinopathy grade and by "has masks", so that validation has all grades where their numbers allow, and
 * pictures with masks and without wherever two with one grade are there. It depends on the contents and the seed only, not on folder names or file order.
 *
 * @param fingerprints one for each item.
 * @throws GmtlError `data/val-fraction`, `data/leak` (with `leaks: 'refuse'`), `data/split-empty` when training would be empty.
 */
export function carveValidation(
  items: readonly DatasetItem[],
  fingerprints: readonly Fingerprint[],
  options: SplitOptions = DEFAULT_SPLIT,
): SplitResult {
  const { valFraction, seed } = options;
  if (!(valFraction >= 0 && valFraction <= 0.5)) {
    throw new GmtlError('data/val-fraction', `The validation fraction is ${valFraction}; give a number from 0 to 0.5.`);
  }
  if (!Number.isSafeInteger(seed)) {
    throw new GmtlError('data/split-seed', `The seed of the validation draw is ${seed}; give a whole number.`);
  }
  const { strata, dropped, notes } = stratifyTraining(items, fingerprints, options.leaks);
  const validation = drawStrata(strata, valFraction, seed);
  const result = items
    .map((item, index): DatasetItem => (validation.has(index) ? { ...item, split: 'val' } : item))
    .filter((_, index) => !dropped.has(index));
  checkTrainingLeft(
    items,
    result,
    `moving ${100 * valFraction} % to validation and leaving out leaked images`,
    'Lower the validation fraction or add images.',
  );
  return { items: result, notes };
}

/** One picture of the training split: the images that show it, and the smallest of their content hashes. */
export interface TrainingPicture {
  readonly hash: string;
  /** Indices into the items. */
  readonly members: readonly number[];
}

export interface TrainingStrata {
  /** Pictures by stratum: retinopathy grade and "has masks". */
  readonly strata: ReadonlyMap<string, readonly TrainingPicture[]>;
  /** Indices of training images left out because they show a testing picture. */
  readonly dropped: ReadonlySet<number>;
  readonly notes: string[];
}

/**
 * Groups the images outside the testing split by picture, and the pictures by what a draw should keep in proportion.
 *
 * @param fingerprints one for each item.
 * @throws GmtlError `data/leak` with `leaks: 'refuse'` when a training image is a testing image too.
 */
export function stratifyTraining(
  items: readonly DatasetItem[],
  fingerprints: readonly Fingerprint[],
  leaks: SplitOptions['leaks'],
): TrainingStrata {
  const roots = groupSamePictures(fingerprints);
  const groups = new Map<number, number[]>();
  for (let index = 0; index < items.length; index++) {
    const members = groups.get(roots[index]);
    if (members === undefined) groups.set(roots[index], [index]);
    else members.push(index);
  }

  const notes: string[] = [];
  const dropped = new Set<number>();
  const strata = new Map<string, TrainingPicture[]>();
  for (const members of groups.values()) {
    const training = members.filter((index) => items[index].split !== 'test');
    if (training.length === 0) continue;
    const testing = members.filter((index) => items[index].split === 'test');
    if (testing.length > 0 && leaks !== 'keep') {
      const names = `${training.map((index) => items[index].imagePath).join(', ')} (training) and ${testing
        .map((index) => items[index].imagePath)
        .join(', ')} (testing) are the same picture`;
      if (leaks === 'refuse') {
        throw new GmtlError('data/leak', `${names}. Remove the training copy, or choose to drop leaked images.`);
      }
      notes.push(`${names}: the training copy is left out.`);
      for (const index of training) dropped.add(index);
      continue;
    }
    const grade = training.map((index) => items[index].retinopathy).find((value) => value !== null);
    const masked = training.some((index) => items[index].task === 'segmentation');
    const stratum = `${grade ?? 'ungraded'}${masked ? WITH_MASKS : ''}`;
    const hash = training.map((index) => fingerprints[index].sha256).sort()[0];
    const list = strata.get(stratum);
    if (list === undefined) strata.set(stratum, [{ hash, members: training }]);
    else list.push({ hash, members: training });
  }
  return { strata, dropped, notes };
}

/**
 * Refuses a split that leaves a task without training images.
 *
 * @throws GmtlError `data/split-empty`, naming the task.
 */
export function checkTrainingLeft(
  before: readonly DatasetItem[],
  after: readonly DatasetItem[],
  what: string,
  remedy: string,
): void {
  for (const task of TASKS) {
    const had = before.some((item) => item.task === task && item.split !== 'test');
    if (had && !after.some((item) => item.task === task && item.split === 'train')) {
      throw new GmtlError('data/split-empty', `No ${task} image is left for training after ${what}. ${remedy}`);
    }
  }
}

/** Shares the wanted total over the strata by largest remainder, then draws in each a seeded order of its content hashes. */
function drawStrata(strata: TrainingStrata['strata'], fraction: number, seed: number): Set<number> {
  const names = [...strata.keys()].sort();
  const sizes = names.map((name) => strata.get(name)!.length);
  const total = Math.round(fraction * sizes.reduce((sum, size) => sum + size, 0));
  const quotas = sizes.map((size) => Math.floor(size * fraction));
  const remainders = sizes.map((size, index) => ({ index, rest: size * fraction - quotas[index] }));
  remainders.sort((a, b) => b.rest - a.rest || a.index - b.index);
  let missing = total - quotas.reduce((sum, quota) => sum + quota, 0);
  for (const { index } of remainders) {
    // A stratum's only picture stays in training: validation can spare it, training cannot.
    if (missing <= 0 || sizes[index] < 2) continue;
    quotas[index]++;
    missing--;
  }
  // A small set's share may be a picture or two: validation sees each kind all the same, or its figures would be undefined.
  for (const masked of total > 0 ? [true, false] : []) {
    const kind = [...names.keys()].filter((index) => names[index].endsWith(WITH_MASKS) === masked && sizes[index] > 1);
    const largest = kind.toSorted((a, b) => sizes[b] - sizes[a])[0];
    if (largest !== undefined && kind.every((index) => quotas[index] === 0)) quotas[largest] = 1;
  }
  const drawn = new Set<number>();
  for (const [stratum, name] of names.entries()) {
    const groups = [...strata.get(name)!].sort((a, b) => (a.hash < b.hash ? -1 : 1));
    const order = new KeyedRandom(seed, STREAMS.split, stratum).permutation(groups.length);
    for (let taken = 0; taken < quotas[stratum]; taken++) {
      for (const member of groups[order[taken]].members) drawn.add(member);
    }
  }
  return drawn;
}
