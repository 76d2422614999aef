/** Tier: any adapter, built command line. A tiny run evaluated, reported and sampled: each command once as a program, else in this process. */
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startGmtl, TINY_SETTINGS } from '../bench/trainProcess.ts';
import { generateSyntheticIdrid } from '../src/retina/data/synth/index.ts';
import type { Evaluation } from '../src/retina/metrics/evaluation.ts';
import { gmtlHere, keepAdapter } from './testsupport.ts';

keepAdapter();
let root = '';
const at = (...parts: string[]): string => join(root, ...parts);

async function gmtl(...words: string[]): Promise<{ code: number | null; output: string }> {
  const { code, stdout, stderr } = await gmtlHere(...words);
  return { code, output: stdout + stderr };
}

/** Runs a command as a program of its own. */
async function program(...words: string[]): Promise<string> {
  const run = startGmtl(words, root);
  expect((await run.ended).code, run.output()).toBe(0);
  return run.output();
}

async function done(...words: string[]): Promise<string> {
  const { code, output } = await gmtl(...words);
  expect(code, output).toBe(0);
  return output;
}

/** The fields of metrics.json and --json that the tests read. */
interface Recorded {
  readonly plain: Evaluation;
  readonly calibrated: Evaluation | null;
  readonly calibration: { readonly fittedOn: { readonly images: readonly string[] } } | null;
}

const recorded = async (file: string): Promise<Recorded> => JSON.parse(await readFile(file, 'utf8')) as Recorded;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'gmtl-evaluate-'));
  await generateSyntheticIdrid({
    directory: at('data'),
    size: 64,
    segmentationTrain: 4,
    segmentationTest: 2,
    gradingTrain: 8,
    gradingTest: 3,
  });
  const settings = [
    ...TINY_SETTINGS,
    'model.structures=["HE","OD"]',
    'data.validationFraction=0.3',
    'training.epochs=1',
    'training.stepsPerEpoch=2',
  ].flatMap((setting) => ['--set', setting]);
  await done('train', '--data', at('data'), '--out', at('run'), ...settings);
});
afterAll(() => rm(root, { recursive: true, force: true }));

describe('gmtl evaluate', () => {
  it('prints both settings, stores the calibration, and writes the report and its files', async () => {
    const output = await program('evaluate', at('run'), '--report', at('report'));
    expect(output).toMatch(
      /PLAIN \(thresholds 0\.5, temperatures 1\): test split, checkpoint 'best', step 2.*5 images/,
    );
    expect(output).toMatch(/Calibration, fitted on the validation split \(\d with masks, \d graded\)/);
    expect(output).toMatch(/CALIBRATED \(on validation images, never on these\)/);
    expect(output).toMatch(/\nHE +\S+ \[\S+, \S+\]/);
    expect(output).not.toMatch(/\nMA /);
    expect((await readdir(at('report'))).sort()).toEqual([
      '.gmtl-files.jsonl',
      'confusion_edema.png',
      'confusion_retinopathy.png',
      'metrics.json',
      'misroutes.csv',
      'predictions.csv',
      'reliability_edema.png',
      'reliability_retinopathy.png',
      'report.html',
    ]);
    expect(output).toMatch(/written +\S+confusion_retinopathy\.png/);
    const { plain, calibration } = await recorded(at('report', 'metrics.json'));
    expect(plain.images).toBe(5);
    expect(Object.keys(plain.segmentation ?? {})).toEqual(['HE', 'OD']);
    expect(Object.keys(plain.detections ?? {})).toEqual(['HE', 'OD']);
    const stored = JSON.parse(await readFile(at('run', 'calibration.json'), 'utf8'));
    expect(stored).toEqual(calibration);
    const splits = JSON.parse(await readFile(at('run', 'metadata.json'), 'utf8')) as { id: string; split: string }[];
    expect([...stored.fittedOn.images].sort()).toEqual(
      splits
        .filter(({ split }) => split === 'val')
        .map(({ id }) => id)
        .sort(),
    );
    const table: Record<string, string>[] = parse(await readFile(at('report', 'predictions.csv'), 'utf8'), {
      columns: true,
    });
    expect(table).toHaveLength(5);
    expect(Object.keys(table[0]).join()).toMatch(
      /^id,file,frame,patient,study,eye,row_spacing,column_spacing,width,height,task,gate,/,
    );
    for (const { task, MA_dice, OD_dice, retinopathy_true, retinopathy, edema_p2 } of table) {
      const isSegmented = task === 'segmentation';
      expect([MA_dice, OD_dice !== '']).toEqual(['', isSegmented]);
      for (const cell of [retinopathy_true, retinopathy, edema_p2]) expect(cell === '').toBe(isSegmented);
    }
    const page = await readFile(at('report', 'report.html'), 'utf8');
    expect(page).toContain('not a medical device');
    expect(page).toContain('A/test/IDRiD_05');
    expect(page).not.toMatch(/<(script|link|img)[^>]+(src|href)="http/);
  });

  it('is the same elsewhere: the run moved away, its images named by --data, flips and native frames', async () => {
    await done('evaluate', at('run'), '--json', at('here.json'));
    await cp(at('run'), at('elsewhere', 'run'), { recursive: true });
    await rename(at('data'), at('moved'));
    try {
      const { code, output } = await gmtl('evaluate', at('elsewhere', 'run'));
      expect(code).toBe(1);
      expect(output).toMatch(/there is no file .*--data/s);
      const words = ['evaluate', at('elsewhere', 'run'), '--data', at('moved')];
      await done(...words, '--json', at('there.json'));
      const [here, there] = await Promise.all([recorded(at('here.json')), recorded(at('there.json'))]);
      expect(there.plain).toEqual(here.plain);
      expect(there.calibrated).toEqual(here.calibrated);
      const shown = ['--json', at('native.json'), '--pictures', at('pictures')];
      await done(...words, '--no-calibrate', '--tta', '--frame', 'native', ...shown);
      const native = await recorded(at('native.json'));
      expect(native.calibration).toBeNull();
      const { truePositive, falsePositive, falseNegative, trueNegative } = native.plain.segmentation!.OD.counts;
      const { width, height } = await sharp(
        at('moved', 'A. Segmentation', '1. Original Images', 'b. Testing Set', 'IDRiD_05.jpg'),
      ).metadata();
      expect(truePositive + falsePositive + falseNegative + trueNegative).toBe(2 * width * height);
      // Truth beside prediction, in the frame that was scored.
      expect((await readdir(at('pictures'))).sort()).toEqual([
        '.gmtl-files.jsonl',
        'A_test_IDRiD_05.png',
        'A_test_IDRiD_06.png',
      ]);
      const picture = await sharp(at('pictures', 'A_test_IDRiD_05.png')).metadata();
      expect(picture.width).toBeGreaterThanOrEqual(2 * width);
    } finally {
      await rename(at('moved'), at('data'));
    }
  });
});

describe('gmtl infer', () => {
  it('--sample draws the same images for a seed, and writes a grid, a page and a table', async () => {
    const words = ['infer', '--run', at('run'), '--out', at('sample')];
    const lines = (output: string): string[] => output.split('\n').filter((line) => /^[AB]\/test\//.test(line));
    const first = await program(...words, '--sample', '3');
    expect(lines(first)).toHaveLength(3);
    for (const file of ['sample.png', 'sample.html', 'sample.csv'])
      expect(existsSync(at('sample', file)), file).toBe(true);
    expect((await sharp(at('sample', 'sample.png')).metadata()).width).toBeGreaterThan(600);
    const again = await gmtl(...words, '--sample', '3');
    expect(again.code).toBe(1);
    expect(again.output).toMatch(/sample\.png is there already.*--overwrite/);
    // Drawn in an order that the seed fixes: more of them begin with the same.
    const more = lines(await done(...words, '--sample', '20', '--overwrite'));
    expect(more).toHaveLength(5);
    expect(more.slice(0, 3)).toEqual(lines(first));
  });

  it('takes thresholds and temperatures of the run, as exports and the page do, unless told not to', async () => {
    const file = join(at('data'), 'B. Disease Grading', '1. Original Images', 'b. Testing Set', 'IDRiD_001.jpg');
    const infer = async (...more: string[]) => {
      const output = await done('infer', file, '--run', at('run'), '--out', at('seen'), '--overwrite', ...more);
      return JSON.parse(output.split('\n').find((line) => line.startsWith('{')) ?? '') as {
        milliseconds: number;
        retinopathy: { grade: number; probabilities: number[] };
        lesions: Record<string, { pixels: number }>;
      };
    };
    const plain = await infer('--no-calibrated');
    const calibrated = await infer();
    const { milliseconds: _, ...asked } = await infer('--calibrated');
    expect(calibrated).toMatchObject(asked);
    expect((await infer('--threshold', '0.4')).retinopathy).toEqual(calibrated.retinopathy);
    expect(Object.keys(plain.lesions)).toEqual(['HE', 'OD']);
    const { temperature } = JSON.parse(await readFile(at('run', 'calibration.json'), 'utf8')).temperatures.retinopathy;
    const powers = plain.retinopathy.probabilities.map((value) => value ** (1 / temperature));
    const sum = powers.reduce((a, b) => a + b, 0);
    expect(calibrated.retinopathy.grade).toBe(plain.retinopathy.grade);
    for (const [grade, value] of calibrated.retinopathy.probabilities.entries()) {
      expect(value).toBeCloseTo(powers[grade] / sum, 4);
    }
  });

  it('refers by the operating point of the run, and by the worse eye', async () => {
    const stored = JSON.parse(await readFile(at('run', 'calibration.json'), 'utf8'));
    // Eight graded pictures, two or three of them for validation: too few to choose a point on.
    expect(stored.referral).toMatchObject({ reason: 'too-few', threshold: null, rule: { retinopathy: 2, edema: 1 } });
    const testing = join(at('data'), 'B. Disease Grading', '1. Original Images', 'b. Testing Set');
    const rows = [`${testing}/IDRiD_001.jpg,one,R`, `${testing}/IDRiD_002.jpg,one,L`, `${testing}/IDRiD_003.jpg,two,R`];
    await writeFile(at('list.csv'), ['path,patient,eye', ...rows, ''].join('\n'));
    await cp(at('run'), at('pointed'), { recursive: true });
    const figures = { sensitivity: { count: 9, of: 10, value: 0.9, low: 0.6, high: 0.98 } };
    const both = { ...figures, specificity: figures.sensitivity };
    const referral = { ...stored.referral, reason: 'fitted', threshold: 1e-6, fitted: both, crossValidated: both };
    await writeFile(at('pointed', 'calibration.json'), JSON.stringify({ ...stored, referral }));
    // The pictures are too small to be graded: without --ungradable refer, no score decides on them.
    const words = [
      'infer',
      '--manifest',
      at('list.csv'),
      '--run',
      at('pointed'),
      '--ungradable',
      'refer',
      '--no-calibrated',
    ];
    const output = await done(...words, '--out', at('referred'));
    // A network and itself say what it says alone, and agree; the ensemble has no operating point of its own.
    const twice = await done(
      'infer',
      ...rows.slice(0, 1).map((row) => row.split(',')[0]),
      '--run',
      `${at('pointed')},${at('run')}`,
      '--tta',
      '--out',
      at('twice'),
    );
    expect(twice).toMatch(/ensemble of 2/);
    expect(twice).toMatch(/referral not decided by score: the run has no calibration/);
    const ensemble = JSON.parse(twice.split('\n').find((line) => line.startsWith('{')) ?? '');
    expect(ensemble.retinopathy.uncertainty).toMatchObject({ networks: 0, flips: expect.any(Number) as number });
    expect(ensemble).not.toHaveProperty('referral');
    expect(output).toMatch(/referral .*retinopathy >= 2 or edema >= 1/);
    expect(output).toMatch(/patients 2 by the worse eye: 2 referred, 0 not, 0 not sure, 0 incomplete/);
    const [first] = output
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line));
    const massOf = (values: number[], least: number, temperature: number): number => {
      const powers = values.map((value) => value ** (1 / temperature));
      const sum = (numbers: number[]): number => numbers.reduce((a, b) => a + b, 0);
      return sum(powers.slice(least)) / sum(powers);
    };
    const { retinopathy, edema } = stored.temperatures;
    const score = Math.max(
      massOf(first.retinopathy.probabilities, 2, retinopathy.temperature),
      massOf(first.edema.probabilities, 1, edema.temperature),
    );
    expect(first.referral).toMatchObject({ decision: 'refer', by: 'ungradable', threshold: 1e-6 });
    expect(first.referral.score).toBeCloseTo(score, 5);
    const table: Record<string, string>[] = parse(await readFile(at('referred', 'predictions.csv'), 'utf8'), {
      columns: true,
    });
    expect(table.map((row) => row.referral)).toEqual(['refer', 'refer', 'refer']);
    const patients = parse(await readFile(at('referred', 'patients.csv'), 'utf8'), { columns: true });
    expect(patients).toMatchObject([
      { patient: 'one', decision: 'refer', missing: '', pictures: '2' },
      { patient: 'two', decision: 'refer', missing: 'left', pictures: '1' },
    ]);
  });

  it('refuses what does not go together', async () => {
    for (const [words, message] of [
      [['infer'], /name images or folders/],
      [['infer', 'eye.jpg', '--sample', '2'], /leave out images/],
      [['infer', '--sample', '0', '--run', at('run')], /--sample 0/],
      [['infer', 'eye.jpg', '--calibrated', '--threshold', '0.4'], /leave out --threshold/],
    ] as const) {
      const { code, stderr } = await gmtlHere(...words);
      expect(code, stderr).toBe(1);
      expect(stderr).toMatch(message);
    }
  });
});
