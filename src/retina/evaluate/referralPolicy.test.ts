/** Tier: no adapter. What decides on a referral: the score, or the picture itself. */
import { expect, it } from 'vitest';
import { fitReferral, referralReport } from '../metrics/referral.ts';
import type { InferResult } from '../predict/result.ts';
import type { Trust } from '../predict/trust.ts';
import type { Calibration } from '../run/calibrationFormat.ts';
import { referralPolicy } from './referralPolicy.ts';

const rule = { retinopathy: 2, edema: null };
const cases = Array.from({ length: 40 }, (_, index) => ({
  id: `${index}`,
  isReferable: index >= 20,
  score: index / 40,
}));
const wish = { measure: 'coverage', value: 0.9 } as const;
const fitted = fitReferral(cases, rule, { measure: 'sensitivity', value: 0.9 }, wish);
const calibration = {
  temperatures: { retinopathy: null, edema: null, gate: null },
  referral: fitted,
} as unknown as Calibration;

const GOOD: Trust = { trainedOn: 'x', likeness: null, gradability: { gradable: true, reasons: [] } };
const BLURRED: Trust = {
  ...GOOD,
  gradability: { gradable: false, reasons: [{ fault: 'focus', text: 'out of focus' }] },
};
const UNLIKE: Trust = { ...GOOD, likeness: { isLike: false, distance: 2 } as Trust['likeness'] };

function pictured(score: number, trust: Trust): InferResult {
  const probabilities = [1 - score, 0, score, 0, 0];
  return { retinopathy: { grade: 2, probabilities }, edema: null, trust } as unknown as InferResult;
}

it.each([
  ['warn', 0.99, GOOD, 'refer', 'score'],
  ['warn', 0.01, GOOD, 'none', 'score'],
  ['warn', 0.99, BLURRED, 'unsure', 'ungradable'],
  ['warn', 0.01, BLURRED, 'unsure', 'ungradable'],
  ['refer', 0.01, BLURRED, 'refer', 'ungradable'],
  ['warn', 0.01, UNLIKE, 'unsure', 'unlike'],
  ['refer', 0.99, UNLIKE, 'unsure', 'unlike'],
] as const)('--ungradable %s, score %d: what decides on the picture', (ungradable, score, trust, decision, by) => {
  const { refer, note } = referralPolicy(calibration, [], ungradable);
  expect(refer(pictured(score, trust)).referral).toMatchObject({ decision, by, score });
  expect(note).toMatch(
    ungradable === 'refer' ? /that cannot be graded are referred/ : /not sure of pictures that cannot/,
  );
});

it('an evaluation counts pictures that no score decides on among those it is not sure of', () => {
  const threshold = fitted.threshold ?? Number.NaN;
  const plain = referralReport(cases, { ...fitted, threshold });
  const sureOf = cases.findIndex(({ score }) => score > 0.9);
  const doubted = cases.map((one, index) => (index === sureOf ? { ...one, doubt: 'ungradable' as const } : one));
  const report = referralReport(doubted, { ...fitted, threshold });
  expect(report).toMatchObject({ unsure: plain.unsure + 1, ungradable: 1, unlike: 0 });
  expect(report.sure.sensitivity.of).toBe(plain.sure.sensitivity.of - 1);
  expect(report.sensitivity).toEqual(plain.sensitivity);
});
