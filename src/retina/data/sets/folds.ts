/** Deals the training pictures into folds for cross-validation. */
import { GmtlError } from '../../../engine/errors.ts';
import type { Fingerprint } from './fingerprint.ts';
import { KeyedRandom, STREAMS } from '../../random.ts';
import { checkTrainingLeft, DEFAULT_SPLIT, type SplitOptions, type SplitResult, stratifyTraining } from './split.ts';
import type { DatasetItem } from '../../domain.ts';

export interface FoldOptions {
  /** Number of parts the training pictures are dealt into, from 2 on. */
  readonly folds: number;
  /** The part that validates, 0 … folds − 1; the others train. */
  readonly fold: number;
  readonly seed: number;
  /** As for `carveValidation`; default `drop`. */
  readonly leaks?: SplitOptions['leaks'];
}

/**
 * Cross-validation over the training split: images of fold `fold` become validation, all others outside the testing split
 * become training. Over all folds every training picture validates exactly once. The testing images stay as they are, and a
 * validation split the items came with is dealt anew.
 *
 * Copies of a picture go to the same fold. The deal is stratified by retinopathy grade and "has masks": in each stratum the
 * folds' numbers differ by at most one, and so do their totals (each stratum goes on dealing where the one before stopped, as
 * scikit-learn's StratifiedKFold allocates). It depends on the contents and the seed only, not on names or file order.
 *
 * @param fingerprints one for each item.
 * @throws GmtlError `data/folds` (numbers out of range, or fewer pictures than folds), `data/leak` (with `leaks: 'refuse'`),
 *   `data/split-empty` when a task would have no training image.
 */
export function assignFolds(
  items: readonly DatasetItem[],
  fingerprints: readonly Fingerprint[],
  options: FoldOptions,
): SplitResult {
  const { folds, fold, seed, leaks = DEFAULT_SPLIT.leaks } = options;
  if (!Number.isInteger(folds) || folds < 2) {
    throw new GmtlError('data/folds', `${folds} folds: give a whole number from 2 on.`);
  }
  if (!Number.isInteger(fold) || fold < 0 || fold >= folds) {
    throw new GmtlError('data/folds', `Fold ${fold} of ${folds}: give a whole number from 0 to ${folds - 1}.`);
  }
  const { strata, dropped, notes } = stratifyTraining(items, fingerprints, leaks);
  const pictures = [...strata.values()].reduce((sum, list) => sum + list.length, 0);
  if (pictures < folds) {
    throw new GmtlError(
      'data/folds',
      `${folds} folds, but only ${pictures} training pictures: some folds would be empty. Ask for fewer folds.`,
    );
  }
  const validation = new Set<number>();
  let dealt = 0;
  for (const [stratum, name] of [...strata.keys()].sort().entries()) {
    const list = [...strata.get(name)!].sort((a, b) => (a.hash < b.hash ? -1 : 1));
    if (list.length < folds) {
      notes.push(
        `Only ${list.length} picture(s) of grade ${name} for ${folds} folds: some folds validate without one.`,
      );
    }
    for (const place of new KeyedRandom(seed, STREAMS.folds, stratum).permutation(list.length)) {
      if (dealt++ % folds === fold) for (const member of list[place].members) validation.add(member);
    }
  }
  const result = items.flatMap((item, index): DatasetItem[] => {
    if (dropped.has(index)) return [];
    if (item.split === 'test') return [item];
    return [{ ...item, split: validation.has(index) ? 'val' : 'train' }];
  });
  checkTrainingLeft(items, result, `taking fold ${fold} of ${folds} for validation`, 'Add images or use other folds.');
  return { items: result, notes };
}
