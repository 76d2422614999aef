/** Tier: no adapter. Cross-validation folds: every training picture validates once. */
import { describe, expect, it } from 'vitest';
import { assignFolds } from './folds.ts';
import { type DatasetItem, noMasks } from '../../domain.ts';

function graded(grade: number, count: number): DatasetItem[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `B/train/${grade}-${index}`,
    part: 'B',
    split: 'train',
    task: 'classification',
    imagePath: `/${grade}-${index}.jpg`,
    maskPaths: null,
    retinopathy: grade,
    edema: 0,
  }));
}
/** 40 + 21 + 11 + 2 graded pictures, of which 10 of grade 0 have a masked copy, and 3 testing images. */
const base = [...graded(0, 40), ...graded(2, 21), ...graded(4, 11), ...graded(1, 2)];
const twins = graded(0, 10).map(
  (item): DatasetItem => ({
    ...item,
    id: `A${item.id}`,
    task: 'segmentation',
    maskPaths: noMasks(),
    retinopathy: null,
  }),
);
const testing = graded(3, 3).map((item): DatasetItem => ({ ...item, id: `t${item.id}`, split: 'test' }));
const items: DatasetItem[] = [...base, ...twins, ...testing];
const hashesOf = (list: readonly DatasetItem[]) =>
  list.map((item) => ({ sha256: item.imagePath, thumbnail: null, detail: null }));
const FOLDS = 5;
const dealt = (list: readonly DatasetItem[] = items, seed = 3) =>
  Array.from({ length: FOLDS }, (_, fold) => assignFolds(list, hashesOf(list), { folds: FOLDS, fold, seed }));
const validation = (list: readonly DatasetItem[]) => list.filter((item) => item.split === 'val');

describe('assignFolds', () => {
  it('lets every training picture validate in exactly one fold and leaves testing alone', () => {
    const all = dealt();
    const seen = all.flatMap((fold) => validation(fold.items).map((item) => item.id));
    expect(seen.sort()).toEqual([...base, ...twins].map((item) => item.id).sort());
    for (const fold of all) {
      expect(fold.items).toHaveLength(items.length);
      expect(fold.items.filter((item) => item.split === 'test')).toEqual(testing);
    }
  });

  it('keeps copies of a picture in one fold', () => {
    for (const fold of dealt()) {
      const held = new Set(validation(fold.items).map((item) => item.imagePath));
      const trained = fold.items.filter((item) => item.split === 'train').map((item) => item.imagePath);
      expect(trained.filter((path) => held.has(path))).toEqual([]);
    }
  });

  it('deals grades, masks and totals evenly', () => {
    const spread = (count: (item: DatasetItem) => boolean) => {
      const counts = dealt().map((fold) => validation(fold.items).filter(count).length);
      return Math.max(...counts) - Math.min(...counts);
    };
    expect(spread((item) => item.task === 'segmentation')).toBe(0);
    for (const grade of [1, 2, 4]) expect(spread((item) => item.retinopathy === grade)).toBe(1);
    // Grade 0 is two strata, with masks and without.
    expect(spread((item) => item.retinopathy === 0)).toBe(0);
    expect(spread((item) => item.part === 'B' && item.task === 'classification')).toBe(1);
    expect(dealt()[0].notes).toEqual([expect.stringMatching(/^Only 2 picture\(s\) of grade 1 for 5 folds/)]);
  });

  it('depends on content and seed, not on the order of items', () => {
    const ids = (list: readonly DatasetItem[], seed: number) =>
      dealt(list, seed).map((fold) =>
        validation(fold.items)
          .map((item) => item.id)
          .sort(),
      );
    expect(ids([...items].reverse(), 3)).toEqual(ids(items, 3));
    expect(ids(items, 4)).not.toEqual(ids(items, 3));
  });

  it('deals an earlier validation split anew and drops copies of testing images', () => {
    const held = items.map((item, index): DatasetItem => (index < 30 ? { ...item, split: 'val' } : item));
    expect(dealt(held).map((fold) => fold.items)).toEqual(dealt().map((fold) => fold.items));
    const leak: DatasetItem = { ...base[0], id: 'B/test/leak', split: 'test' };
    const leaky = [...items, leak];
    const { items: left, notes } = assignFolds(leaky, hashesOf(leaky), { folds: 2, fold: 0, seed: 0 });
    expect(left.filter((item) => item.imagePath === leak.imagePath)).toEqual([leak]);
    expect(notes[0]).toMatch(/same picture: the training copy is left out/);
  });

  it('refuses numbers out of range and folds without pictures', () => {
    const deal = (folds: number, fold: number, list = items) =>
      assignFolds(list, hashesOf(list), { folds, fold, seed: 0 });
    expect(() => deal(1, 0)).toThrow(/1 folds: give a whole number from 2/);
    expect(() => deal(5, 5)).toThrow(/Fold 5 of 5: give a whole number from 0 to 4/);
    expect(() => deal(5, -1)).toThrow(/Fold -1/);
    expect(() => deal(3, 0, base.slice(0, 2))).toThrow(/only 2 training pictures/);
  });
});
