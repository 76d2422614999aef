/** Tier: no adapter. Evaluations and calibrations as text. */
import { describe, expect, it } from 'vitest';
import { SegmentationAccumulator } from '../metrics/segmentation.ts';
import type { Collected } from './collect.ts';
import { summarize } from './summary.ts';
import { calibratedText, evaluationText, figureText, misroutesText } from './text.ts';

const NOTHING: Collected = {
  images: 2,
  structures: ['EX', 'SE'],
  masks: null,
  retinopathy: [],
  edema: [],
  gate: [
    { id: 'one', truth: 0, probabilities: [0.9, 0.1] },
    { id: 'two', truth: 1, probabilities: [0.6, 0.4] },
  ],
  gradeDecision: 'mode',
  maskLosses: [],
};

describe('evaluationText', () => {
  it('writes figures with three digits, intervals where they are defined, and n/a for what is not', () => {
    const interval = { estimate: 0.5, low: 0.25, high: 0.75, level: 0.95, resamples: 1, undefinedResamples: 0 };
    expect(figureText(0.5, interval)).toBe('0.500 [0.250, 0.750]');
    expect(figureText(0.5, { ...interval, low: Number.NaN, high: Number.NaN })).toBe('0.500');
    expect(figureText(Number.NaN, null)).toBe('n/a');
    expect(figureText(undefined)).toBe('n/a');
    expect(figureText(0)).toBe('0.000');
  });

  it('leaves out the parts without images', () => {
    const text = evaluationText(summarize(NOTHING), 'Nothing but a gate');
    expect(text).toMatch(/^Nothing but a gate \(2 images\)\n\ngate accuracy 0\.500 \[0\.000, 1\.000\]/);
    expect(text).not.toMatch(/masks|grades|both grades|NaN|null|undefined/);
    expect(calibratedText(summarize(NOTHING), 'Calibrated')).toMatch(/gate +\S+ \[\S+, \S+\] +n\/a/);
    expect(evaluationText(summarize(NOTHING), 'No gate', { hasGate: false })).toBe('No gate (2 images)\n');
  });

  it('marks a structure that is nowhere, and counts the images that are empty in both', () => {
    const segmentation = new SegmentationAccumulator(['EX', 'SE']);
    segmentation.add('one', 'EX', [1, 0, 0, 0], [0.9, 0.1, 0.1, 0.1]);
    segmentation.add('one', 'SE', [0, 0, 0, 0], [0.1, 0.1, 0.1, 0.1]);
    const collected = { ...NOTHING, masks: [{ segmentation, detections: null }] };
    const text = evaluationText(summarize(collected), 'Masks');
    expect(text).toMatch(/\nEX +1\.000 \[1\.000, 1\.000\]/);
    expect(text).toMatch(/\nSE +n\/a +n\/a +n\/a +n\/a +n\/a +n\/a +n\/a +0\.500/);
    expect(text).toContain('images empty in both: SE 1');
    expect(text).toContain('mean lesion Dice (EX, SE) 1.000 [1.000, 1.000]');
    expect(text).not.toMatch(/NaN|null|undefined/);
    expect(evaluationText(summarize(collected, { intervals: false }), 'Plain')).toMatch(
      /mean lesion Dice .* 1\.000, IoU/,
    );
  });

  it('shows classes that do not occur as undefined where they are', () => {
    const retinopathy = [0, 1, 2].map((index) => ({
      id: `${index}`,
      truth: 0,
      probabilities: [0.6, 0.1, 0.1, 0.1, 0.1],
    }));
    const text = evaluationText(summarize({ ...NOTHING, retinopathy }), 'Grades');
    expect(text).toMatch(/quadratic weighted kappa +n\/a/);
    expect(text).toMatch(/AUROC grade >= 1 +n\/a/);
    expect(text).not.toContain('at specificity');
    expect(text).not.toMatch(/NaN|null|undefined/);
  });
});

it('names the five most confident of many misrouted images, and the file that has them all', () => {
  const misroutes = Array.from({ length: 64 }, (_, index) => ({
    ...{ id: `eye-${index}`, truth: 'classification', routed: 'segmentation', probability: 0.9 - index / 1000 },
  })) as Parameters<typeof misroutesText>[0];
  const lines = misroutesText(misroutes, 'report');
  expect(lines).toHaveLength(6);
  expect(lines[0]).toBe('misrouted  eye-0: classification image sent to segmentation (p = 0.900)');
  expect(lines[5]).toBe('misrouted  and 59 more, less confidently: report/misroutes.csv has them all');
  expect(misroutesText(misroutes, undefined)[5]).toMatch(/--report DIR or --json FILE/);
  expect(misroutesText(misroutes.slice(0, 5), 'report')).toHaveLength(5);
  expect(misroutesText([], 'report')).toEqual([]);
});
