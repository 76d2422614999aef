/** Tier: no adapter. Means of predictions, how far they disagree, and which networks may answer as one. */
import { describe, expect, it } from 'vitest';
import type { Dataset, DatasetItem, Split } from '../domain.ts';
import { noMasks } from '../domain.ts';
import { ensembleDataset } from '../evaluate/ensembleDataset.ts';
import { meanPrediction, spreadOf } from './combine.ts';
import { runsOf } from './openEnsemble.ts';
import type { Prediction } from './prediction.ts';

const predictionOf = (retinopathy: number[] | null, edema: number[] | null = null): Prediction => ({
  gate: Float32Array.of(0.25, 0.75),
  routed: { segmentation: false, classification: true },
  masks: null,
  retinopathy: retinopathy && Float32Array.from(retinopathy),
  edema: edema && Float32Array.from(edema),
});

describe('means of predictions', () => {
  const parts = [predictionOf([1, 0]), predictionOf([0, 1])];

  it('averages probabilities, and tells disagreement from an even guess', () => {
    expect([...meanPrediction(parts, 'networks').retinopathy!]).toEqual([0.5, 0.5]);
    expect([...meanPrediction(parts, 'networks').gate]).toEqual([0.25, 0.75]);
    expect(spreadOf(parts)).toEqual({ retinopathy: expect.closeTo(1, 12) as number, edema: null });
    expect(spreadOf([predictionOf([0.5, 0.5]), predictionOf([0.5, 0.5])]).retinopathy).toBe(0);
  });

  it('refuses what only some answered', () => {
    expect(() => meanPrediction([predictionOf([1, 0]), predictionOf(null)], 'networks')).toThrow(/some networks only/);
    expect(spreadOf([predictionOf([1, 0]), predictionOf(null)]).retinopathy).toBeNull();
  });
});

describe('the networks of an ensemble', () => {
  const datasetOf = (...splits: Split[]): Dataset => ({
    source: 'made up',
    notes: [],
    items: splits.map((split, index): DatasetItem => {
      const labels = { maskPaths: noMasks(), retinopathy: null, edema: null };
      return { id: `image ${index}`, part: 'A', split, task: 'segmentation', imagePath: 'nowhere', ...labels };
    }),
  });

  it('are named by commas, each once', () => {
    expect(runsOf('runs/a, runs/b')).toEqual(['runs/a', 'runs/b']);
    expect(() => runsOf('runs/a,runs/a')).toThrow(/different runs/);
    expect(() => runsOf('runs/a,')).toThrow(/different runs/);
  });

  it('are validated on what none of them was taught by, and not tested on what one was', () => {
    const one = { run: 'one', dataset: datasetOf('train', 'val', 'val', 'test') };
    const other = { run: 'other', dataset: datasetOf('val', 'train', 'val', 'test') };
    const { items, notes } = ensembleDataset([one, other], 'test');
    expect(items.map(({ id }) => id)).toEqual(['image 0', 'image 2', 'image 3']);
    expect(notes).toEqual([expect.stringMatching(/^1 validation images of one are left out/)]);
    const third = { run: 'third', dataset: datasetOf('val', 'val', 'val', 'train') };
    expect(() => ensembleDataset([one, third], 'test')).toThrow(
      /image 3 is in the test split of one, but train in third/,
    );
    expect(ensembleDataset([one], 'test')).toBe(one.dataset);
  });
});
