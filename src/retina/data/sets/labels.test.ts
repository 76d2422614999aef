/** Tier: no adapter. Grading tables: columns, names, and effective-number weights. */
import { describe, expect, it } from 'vitest';
import type { GmtlError } from '../../../engine/errors.ts';
import { effectiveNumberWeights } from '../loading/effectiveNumber.ts';
import { imageKey, looksLikeGradingCsv, readGradingCsv, scanGradingCsv } from './labels.ts';

const HEADER = 'Image name,Retinopathy grade,Risk of macular edema';

describe('readGradingCsv', () => {
  it('reads the official quirks: BOM, CRLF, trailing space, empty columns, blank rows', async () => {
    const text = `\uFEFF${HEADER} ,,,,,,,,,\r\nIDRiD_001,3,2,,,,,,,,,\r\n\r\n,,,,,,,,,,,\r\n IDRiD_002 , 0 ,0,,,,,,,,,\r\n`;
    expect(await readGradingCsv('labels.csv', text)).toEqual([
      { image: 'IDRiD_001', retinopathy: 3, edema: 2, line: 2 },
      { image: 'IDRiD_002', retinopathy: 0, edema: 0, line: 5 },
    ]);
  });

  it('takes file extensions off names and 3.0 for 3', async () => {
    expect(await readGradingCsv('x.csv', `${HEADER}\nIDRiD_001.jpg,3.0,2\n`)).toEqual([
      { image: 'IDRiD_001', retinopathy: 3, edema: 2, line: 2 },
    ]);
  });

  for (const [row, complaint] of [
    ['IDRiD_001,5,0', /x\.csv, line 3 \(IDRiD_001\): Retinopathy grade is "5", not an integer from 0 to 4/],
    ['IDRiD_001,1,3', /x\.csv, line 3 \(IDRiD_001\): Risk of macular edema is "3", not an integer from 0 to 2/],
    ['IDRiD_001,,0', /Retinopathy grade is ""/],
    ['IDRiD_001,1.5,0', /Retinopathy grade is "1.5"/],
    ['IDRiD_001,-1,0', /Retinopathy grade is "-1"/],
    ['IDRiD_001,two,0', /Retinopathy grade is "two"/],
    ['IDRiD_001,2', /Risk of macular edema is ""/],
    [',2,1', /line 3: grades without an image name/],
  ] as const) {
    it(`refuses the row "${row}"`, async () => {
      await expect(readGradingCsv('x.csv', `${HEADER}\nIDRiD_009,0,0\n${row}\n`)).rejects.toMatchObject({
        code: 'data/csv-grade',
        message: expect.stringMatching(complaint),
      });
    });
  }

  it('refuses an image graded twice, naming both lines', async () => {
    await expect(readGradingCsv('x.csv', `${HEADER}\nIDRiD_001,0,0\nidrid_001,1,0\n`)).rejects.toMatchObject({
      code: 'data/csv-duplicate',
      message: expect.stringMatching(/line 3.*line 2/),
    });
  });

  it('refuses a table without the columns, without rows, or that is missing', async () => {
    await expect(readGradingCsv('x.csv', 'Image name,Grade\nIDRiD_001,1\n')).rejects.toMatchObject({
      code: 'data/csv-columns',
      message: expect.stringMatching(/no column for retinopathy, edema.*found: image name, grade/),
    });
    await expect(readGradingCsv('x.csv', `${HEADER}\n`)).rejects.toMatchObject({ code: 'data/csv-empty' });
    await expect(readGradingCsv('/nowhere/x.csv')).rejects.toMatchObject({ code: 'data/csv-unreadable' });
  });

  it('collects every problem and keeps the good rows', async () => {
    const problems: GmtlError[] = [];
    const rows = await scanGradingCsv('x.csv', problems, `${HEADER}\nA,9,0\nB,1,0\nC,1,9\n`);
    expect(rows.map((row) => row.image)).toEqual(['B']);
    expect(problems.map((problem) => problem.code)).toEqual(['data/csv-grade', 'data/csv-grade']);
  });
});

describe('names', () => {
  it('matches files and rows whatever their case and extension', () => {
    expect(imageKey('x/IDRiD_001.JPG')).toBe('idrid_001');
    expect(imageKey('IDRiD_001 ')).toBe('idrid_001');
  });

  it('tells grading tables from localization tables', () => {
    expect(looksLikeGradingCsv(`\uFEFF${HEADER} ,,\r\n`)).toBe(true);
    expect(looksLikeGradingCsv('Image No,X- Coordinate,Y - Coordinate\r\n')).toBe(false);
  });
});

describe('effectiveNumberWeights', () => {
  it('follows (1 - beta) / (1 - beta^n), from equal weights to inverse frequency', () => {
    // beta 0.5: 1 sample 1, 2 samples 2/3, 3 samples 4/7; together 47/21, scaled to 3.
    const weights = effectiveNumberWeights([1, 0, 2, 3], 0.5);
    const scale = 3 / (47 / 21);
    for (const [index, value] of [1, 0, 2 / 3, 4 / 7].entries()) expect(weights[index]).toBeCloseTo(value * scale, 12);
    expect([...effectiveNumberWeights([134, 20, 136], 0)]).toEqual([1, 1, 1]);
    const inverse = effectiveNumberWeights([10, 40], 1 - 1e-9);
    expect(inverse[0] / inverse[1]).toBeCloseTo(4, 5);
  });

  it('refuses a beta or counts out of range', () => {
    expect(() => effectiveNumberWeights([1, 2], 1)).toThrow(/beta is 1/);
    expect(() => effectiveNumberWeights([1, -2], 0.9)).toThrow(/Class 1 has -2/);
    expect(() => effectiveNumberWeights([0, 0], 0.9)).toThrow(/No class/);
  });
});
