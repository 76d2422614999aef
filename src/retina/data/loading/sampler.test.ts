/** Tier: no adapter. Which images a batch draws, and that a sampler resumes where it stopped. */
import { describe, expect, it } from 'vitest';
import { TaskBalancedSampler } from './sampler.ts';
import { type DatasetItem, type Structure, noMasks } from '../../domain.ts';

function item(task: 'segmentation' | 'classification', number: number, retinopathy: number | null = null): DatasetItem {
  const segmentation = task === 'segmentation';
  return {
    id: `${task}-${number}`,
    part: segmentation ? 'A' : 'B',
    split: 'train',
    task,
    imagePath: `/${task}-${number}.jpg`,
    maskPaths: segmentation ? noMasks() : null,
    retinopathy,
    edema: segmentation ? null : 0,
  };
}

/** 5 segmentation images and 18 graded ones, of which 12 are grade 0, 4 grade 2 and 2 grade 4. */
const items = [
  ...Array.from({ length: 5 }, (_, index) => item('segmentation', index)),
  ...Array.from({ length: 18 }, (_, index) => item('classification', index, index < 12 ? 0 : index < 16 ? 2 : 4)),
];
const options = { seed: 7, segmentationPerBatch: 2, classificationPerBatch: 3 };

describe('TaskBalancedSampler', () => {
  it('gives each batch its number of each task, segmentation first', () => {
    const sampler = new TaskBalancedSampler(items, options);
    expect(sampler.batchSize).toBe(5);
    expect(sampler.stepsPerEpoch).toBe(6);
    for (let step = 0; step < 20; step++) {
      const rows = sampler.next();
      expect(rows.map((row) => row.task)).toEqual([
        ...Array(2).fill('segmentation'),
        ...Array(3).fill('classification'),
      ]);
      for (const row of rows) expect(items[row.index].task).toBe(row.task);
    }
  });

  it('walks each task in whole passes in changing order', () => {
    const sampler = new TaskBalancedSampler(items, options);
    const drawn = Array.from({ length: 10 }, (_, step) => sampler.batch(step)).flat();
    const passes = [0, 1, 2].map((pass) =>
      drawn.filter((row) => row.task === 'segmentation' && row.pass === pass).map((row) => row.index),
    );
    for (const pass of passes) expect([...pass].sort()).toEqual([0, 1, 2, 3, 4]);
    expect(passes[0]).not.toEqual(passes[1]);
    // The augmentation's address is never used twice.
    const addresses = drawn.map((row) => `${row.task} ${row.pass} ${row.place}`);
    expect(new Set(addresses).size).toBe(addresses.length);
  });

  it('continues exactly where it was', () => {
    const whole = new TaskBalancedSampler(items, options);
    const batches = Array.from({ length: 30 }, () => whole.next());
    const resumed = new TaskBalancedSampler(items, options);
    resumed.restore(JSON.parse(JSON.stringify({ step: 17 })));
    for (let step = 17; step < 30; step++) expect(resumed.next()).toEqual(batches[step]);
    expect(resumed.state()).toEqual(whole.state());
    expect(new TaskBalancedSampler(items, { ...options, seed: 8 }).batch(0)).not.toEqual(batches[0]);
  });

  it('balances the grades when asked to, each grade in whole passes', () => {
    const sampler = new TaskBalancedSampler(items, { ...options, segmentationPerBatch: 0, balanceGrades: true });
    const drawn = Array.from({ length: 24 }, (_, step) => sampler.batch(step)).flat();
    for (const grade of [0, 2, 4])
      expect(drawn.filter((row) => items[row.index].retinopathy === grade)).toHaveLength(24);
    expect(
      new Set(
        drawn
          .slice(0, 36)
          .filter((row) => items[row.index].retinopathy === 0)
          .map((row) => row.index),
      ).size,
    ).toBe(12);
    const addresses = drawn.map((row) => `${row.pass} ${row.place}`);
    expect(new Set(addresses).size).toBe(addresses.length);
  });

  it('repeats images when a batch asks for more than there are', () => {
    const rows = new TaskBalancedSampler(items, { ...options, segmentationPerBatch: 12 }).batch(0);
    expect(rows.filter((row) => row.task === 'segmentation')).toHaveLength(12);
  });

  it('refuses what it cannot do', () => {
    const make = (list: readonly DatasetItem[], change: object) => () =>
      new TaskBalancedSampler(list, { ...options, ...change });
    expect(make([{ ...items[0], split: 'test' }], {})).toThrow(/segmentation-0 is in the test split/);
    expect(make(items.slice(0, 5), {})).toThrow(/3 classification images per batch are asked for/);
    expect(make(items, { segmentationPerBatch: 1.5 })).toThrow(/1\.5 segmentation images per batch/);
    expect(make(items, { segmentationPerBatch: 0, classificationPerBatch: 0 })).toThrow(/A batch of 0 images/);
    expect(() => new TaskBalancedSampler(items, options).restore({ step: -1 })).toThrow(/step -1/);
  });

  it('draws by lesion: each structure in turn, on an image that has it', () => {
    const withMasks = (number: number, ...structures: readonly Structure[]): DatasetItem => ({
      ...item('segmentation', number),
      maskPaths: { ...noMasks(), ...Object.fromEntries(structures.map((structure) => [structure, '/mask.tif'])) },
    });
    // SE on one image of four; one image has the optic disc only.
    const masked = [
      withMasks(0, 'MA', 'OD'),
      withMasks(1, 'MA', 'OD'),
      withMasks(2, 'MA', 'SE', 'OD'),
      withMasks(3, 'OD'),
    ];
    const sampler = (balanceLesions: boolean | readonly Structure[]) =>
      new TaskBalancedSampler(masked, { seed: 7, segmentationPerBatch: 3, classificationPerBatch: 0, balanceLesions });
    const drawn = (balanceLesions: boolean | readonly Structure[]) => {
      const counts = [0, 0, 0, 0];
      const all = sampler(balanceLesions);
      for (let step = 0; step < 48; step++) for (const row of all.batch(step)) counts[row.index]++;
      return counts;
    };
    expect(drawn(false)).toEqual([36, 36, 36, 36]);
    // Of 144 draws 48 each for MA (three images), SE (one) and OD (four).
    expect(drawn(true)).toEqual([28, 28, 76, 12]);
    // 48 each for MA, SE and "none of them".
    expect(drawn(['MA', 'SE'])).toEqual([16, 16, 64, 48]);
    const steps = Array.from({ length: 20 }, (_, step) => sampler(true).batch(step));
    const late = sampler(true);
    for (let step = 19; step >= 0; step--) expect(late.batch(step)).toEqual(steps[step]);
    const addresses = steps.flat().map((row) => `${row.index} ${row.pass} ${row.place}`);
    expect(new Set(addresses).size).toBe(addresses.length);
  });
});
