/** Tier: no adapter. The worse eye of each patient. */
import { describe, expect, it } from 'vitest';
import { eyesOf, Patients } from './patients.ts';
import type { PredictionRow } from './predictionRow.ts';

const rowsOf = (...rows: PredictionRow[]) => {
  const patients = new Patients();
  for (const row of rows) patients.add(row);
  return patients.rows();
};
const picture = (
  patient: string,
  eye: string,
  referral?: 'refer' | 'none' | 'unsure',
  score?: number,
): PredictionRow => ({
  ...{ file: `${patient}${eye}${score ?? ''}.jpg`, patient, eye },
  ...(referral && { referral, referral_p: score }),
});

describe('Patients', () => {
  it('knows the words for eyes', () => {
    expect(['R', 'od', 'right', ' Left ', 'OS', 'both', 'OU', '', 'nose'].map(eyesOf)).toEqual([
      ...Array.from({ length: 3 }, () => ['right']),
      ...Array.from({ length: 2 }, () => ['left']),
      ...Array.from({ length: 2 }, () => ['right', 'left']),
      [],
      [],
    ]);
  });

  it('refers by one eye, and lets none go with an eye missing', () => {
    const rows = rowsOf(
      picture('a', 'R', 'none', 0.2),
      picture('a', 'L', 'refer', 0.7),
      picture('b', 'R', 'none', 0.1),
      picture('b', 'L', 'none', 0.3),
      picture('c', 'L', 'none', 0.1),
      picture('d', 'L', 'refer', 0.9),
      picture('e', 'R', 'none', 0.2),
      picture('e', 'L'),
      picture('f', 'R'),
      picture('h', 'R', 'none', 0.9),
      picture('h', 'L', 'unsure', 0.5),
      picture('', 'R', 'refer', 0.9),
      picture('g', 'nose', 'refer', 0.9),
      picture('i', 'R', 'none', 0.1),
      picture('i', 'L', 'none', 0.1),
      picture('i', '', 'refer', 0.8),
    );
    expect(rows.map(({ patient, decision, eye, missing }) => [patient, decision, eye, missing])).toEqual([
      ['a', 'refer', 'L', ''],
      ['b', 'none', 'L', ''],
      ['c', 'incomplete', 'L', 'right'],
      ['d', 'refer', 'L', 'right'],
      ['e', 'incomplete', 'R', 'left'],
      ['f', 'incomplete', '', 'right; left'],
      ['h', 'unsure', 'L', ''],
      ['g', 'refer', 'nose', 'right; left'],
      ['i', 'refer', '', ''],
    ]);
    expect(rows[4]).toMatchObject({ pictures: 2, score: '0.2', file: 'eR0.2.jpg' });
  });

  it('takes a picture that was referred unseen as the worst', () => {
    const [row] = rowsOf(picture('a', 'R', 'refer', 0.9), picture('a', 'L', 'refer'), picture('a', 'R', 'none', 0.95));
    expect(row).toMatchObject({ decision: 'refer', eye: 'L', score: '' });
  });
});
