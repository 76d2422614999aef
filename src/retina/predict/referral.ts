/** What a result says of a referral, in words and in the table. */
import type { Doubt } from '../metrics/referralCase.ts';
import type { PredictionRow } from './predictionRow.ts';

/** Whether the eye of a picture is referred to an ophthalmologist; `unsure`: a person has to look. */
export interface Referral {
  readonly decision: 'refer' | 'none' | 'unsure';
  /** What decided: the score, or, whatever it is, that the picture cannot be graded or is unlike the training pictures. */
  readonly by: 'score' | Doubt;
  /** Rounded to six decimals; null where the network did not grade the picture. */
  readonly score: number | null;
  /** The operating point: the least score that is referred. Null where the run has none. */
  readonly threshold: number | null;
  /** Scores strictly between these are not sure; null where there is no such band. */
  readonly unsure: readonly [number, number] | null;
}

const DECISIONS = { refer: 'REFER', none: 'no referral', unsure: 'NOT SURE' } as const satisfies Record<
  Referral['decision'],
  string
>;

/** A referral in a few words. */
export function referralText({ decision, by, score, threshold, unsure }: Referral): string {
  const own = `score ${score?.toFixed(2)}`;
  const band =
    decision === 'unsure' && unsure ? `, unclear from ${unsure[0].toFixed(2)} to ${unsure[1].toFixed(2)}` : null;
  const why = {
    score: `${own}${band ?? `, from ${threshold?.toFixed(2)} on`}`,
    ungradable: 'not gradable',
    unlike: `${own}, but unlike the training pictures`,
  } as const satisfies Record<Referral['by'], string>;
  return `${DECISIONS[decision]} (${why[by]})`;
}

/** The referral's cells of the table. */
export function referralCells(referral: Referral | undefined): PredictionRow {
  return referral ? { referral: referral.decision, referral_p: referral.score } : {};
}
