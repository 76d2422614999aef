/** Tier: no adapter. The protocol on made-up predictions. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Dataset, type DatasetItem, noMasks, type Split, type Task } from '../domain.ts';
import { SegmentationAccumulator } from '../metrics/segmentation.ts';
import { type CollectItems, recordedFigures, runProtocol } from './protocol.ts';
import { readCalibration, writeCalibration } from '../run/calibration.ts';
import type { Collected, ScoredMasks } from './collect.ts';

const HOW = { checkpoint: 'best', step: 7, weights: 'raw', frame: 'network', flips: false } as const;

function itemOf(split: Split, task: Task, number: number): DatasetItem {
  return {
    id: `${task}/${split}/${number}`,
    part: task === 'segmentation' ? 'A' : 'B',
    split,
    task,
    imagePath: `/nowhere/${split}${number}.jpg`,
    maskPaths: task === 'segmentation' ? noMasks() : null,
    retinopathy: task === 'segmentation' ? null : number % 2 === 0 ? 0 : 2,
    edema: null,
  };
}

function datasetOf(...splits: Split[]): Dataset {
  const items = splits.flatMap((split) =>
    Array.from({ length: 40 }, (_, number) => itemOf(split, number < 8 ? 'segmentation' : 'classification', number)),
  );
  return { source: 'made up', items, notes: [] };
}

/** One call of {@link answer}. */
interface Asked {
  readonly part: 'calibration' | 'scores';
  readonly splits: readonly Split[];
}

/**
 * A network that is over-confident on validation images (three of four right at 99 %) and scores exudates from 0.3 up; on test images it is
 * always wrong, and its exudates begin at 0.8: a fit that sees a single one of those would come out differently.
 */
function answer(asked: Asked[]): CollectItems {
  return async (items, thresholds, part): Promise<Collected> => {
    asked.push({ part, splits: [...new Set(items.map(({ split }) => split))] });
    const graded = items.filter(({ task }) => task === 'classification');
    const masks = thresholds.map(
      (threshold): ScoredMasks => ({
        segmentation: new SegmentationAccumulator(['EX', 'SE'], { threshold }),
        detections: null,
      }),
    );
    for (const { id, split, task } of items) {
      if (task !== 'segmentation') continue;
      const probability = split === 'val' ? [0.1, 0.2, 0.35, 0.45] : [0.1, 0.35, 0.45, 0.85];
      const truth = split === 'val' ? [0, 0, 1, 1] : [0, 0, 0, 1];
      for (const { segmentation } of masks) {
        segmentation.add(id, 'EX', truth, probability);
        segmentation.add(id, 'SE', [0, 0, 0, 0], [0, 0, 0, 0]);
      }
    }
    return {
      images: items.length,
      structures: ['EX', 'SE'],
      masks,
      retinopathy: graded.map(({ id, retinopathy, split }, index) => {
        const right = split === 'val' && index % 4 !== 0;
        const believed = right ? Number(retinopathy) : 2 - Number(retinopathy);
        return {
          id,
          truth: Number(retinopathy),
          probabilities: [0, 1, 2, 3, 4].map((grade) => (grade === believed ? 0.99 : 0.0025)),
        };
      }),
      edema: [],
      gate: items.map(({ id, task }) => ({ id, truth: task === 'segmentation' ? 0 : 1, probabilities: [0.5, 0.5] })),
      gradeDecision: 'mode',
      maskLosses: [],
    };
  };
}

describe('runProtocol', () => {
  it('fits temperatures and thresholds on validation images only, and scores both settings', async () => {
    const asked: Asked[] = [];
    const dataset = datasetOf('train', 'val', 'test');
    const result = await runProtocol(dataset, answer(asked), { split: 'test', how: HOW });
    expect(asked).toEqual([
      { part: 'calibration', splits: ['val'] },
      { part: 'scores', splits: ['test'] },
    ]);
    const { calibration, plain, calibrated } = result;
    const own = ['split', 'plain', 'calibrated', 'calibration', 'referral', 'notes'];
    expect(Object.keys(recordedFigures(result)).sort()).toEqual(own.sort());
    expect(calibration?.fittedOn).toMatchObject({ split: 'val', segmentation: 8, classification: 32, ...HOW });
    expect(calibration?.fittedOn.images.every((id) => id.includes('/val/'))).toBe(true);
    // Three of four right: softened towards a confidence of 0.75 = 0.99^(1/T) / (0.99^(1/T) + 4 0.0025^(1/T)), not quite, as T shrinks to 1.
    const temperature = calibration?.temperatures.retinopathy?.temperature ?? Number.NaN;
    const share = 0.99 ** (1 / temperature) / (0.99 ** (1 / temperature) + 4 * 0.0025 ** (1 / temperature));
    expect(share).toBeGreaterThan(0.75);
    expect(share).toBeLessThan(0.8);
    expect(calibration?.temperatures.retinopathy).toMatchObject({ reason: 'fitted', cases: 32 });
    expect(calibration?.temperatures.edema).toBeNull();
    // All thresholds between 0.2 and 0.35 are equally good, so the nearest to one half is taken; test pixels would move it above 0.45. Of
    // its distance from one half, eight images keep 8 / 13: one of two exudate pixels is found by that.
    const threshold = Math.round(1e4 * (0.5 - (0.15 * 8) / 13)) / 1e4;
    const kept = { threshold, dice: 2 / 3, diceAtHalf: 0, crossValidated: 2 / 3, images: 8, reason: 'fitted' };
    expect(calibration?.thresholds.EX).toEqual({ ...kept, positives: 16 });
    expect(calibration?.thresholds.SE).toMatchObject({ threshold: 0.5, reason: 'lesion-absent' });

    expect(plain.segmentation?.EX).toMatchObject({ threshold: 0.5, dice: 1 });
    expect(calibrated?.segmentation?.EX).toMatchObject({ threshold, dice: 2 / 3 });
    expect(plain.retinopathy?.accuracy).toBe(0);
    expect(calibrated?.retinopathy?.accuracy).toBe(0);
    expect(plain.losses.retinopathy).toBeCloseTo(-Math.log(0.0025), 10);
    expect(calibrated?.losses.retinopathy).toBeLessThan(plain.losses.retinopathy);
    expect(plain.intervals.segmentation?.lesions.EX.dice).toMatchObject({ estimate: 1, low: 1, high: 1 });
  });

  it('says so without validation images, and calibrates nothing', async () => {
    const asked: Asked[] = [];
    const result = await runProtocol(datasetOf('train', 'test'), answer(asked), { split: 'test', how: HOW });
    expect(asked).toEqual([{ part: 'scores', splits: ['test'] }]);
    expect(result).toMatchObject({ calibration: null, calibrated: null });
    expect(result.notes.join()).toMatch(/validation split is empty/);
  });

  it('does not score a calibration on the images it was fitted on', async () => {
    const result = await runProtocol(datasetOf('val', 'test'), answer([]), { split: 'val', how: HOW });
    expect(result.calibrated).toBeNull();
    expect(result.calibration).not.toBeNull();
    expect(result.notes.join()).toMatch(/these very images/);
  });

  it('leaves calibration out where that is asked for', async () => {
    const asked: Asked[] = [];
    const options = { split: 'test', how: HOW, calibrate: false } as const;
    expect(await runProtocol(datasetOf('val', 'test'), answer(asked), options)).toMatchObject({ calibration: null });
    expect(asked).toHaveLength(1);
  });

  it('refuses a split without images', async () => {
    const run = runProtocol(datasetOf('val'), answer([]), { split: 'test', how: HOW });
    await expect(run).rejects.toMatchObject({ code: 'data/empty-split' });
  });
});

describe('calibration.json', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gmtl-calibration-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('comes back as it was written, undefined figures too', async () => {
    const { calibration } = await runProtocol(datasetOf('val', 'test'), answer([]), { split: 'test', how: HOW });
    if (!calibration) throw new Error('not calibrated');
    const path = await writeCalibration(folder, calibration);
    expect(JSON.parse(await readFile(path, 'utf8')).thresholds.SE.dice).toBeNull();
    expect(await readCalibration(folder)).toEqual(calibration);
  });

  it('names the file that is missing or damaged, and the command that makes it', async () => {
    await expect(readCalibration(join(folder, 'none'))).rejects.toThrow(/calibration\.json.*gmtl evaluate/);
    await writeFile(join(folder, 'calibration.json'), '{"temperatures": 3}');
    await expect(readCalibration(folder)).rejects.toMatchObject({ code: 'run/no-calibration' });
  });
});
