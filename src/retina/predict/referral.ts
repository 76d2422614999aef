/** What a result says of a referral, in words and in the table. */
import type { PredictionRow } from './predictionRow.ts';

/** Whether the eye of a picture is referred to an ophthalmologist. */
export interface Referral {
  readonly decision: 'refer' | 'none';
  /** `ungradable`: because the picture cannot be graded, whatever its score. */
  readonly by: 'score' | 'ungradable';
  /** Rounded to six decimals; null where the network did not grade the picture. */
  readonly score: number | null;
  /** The operating point: the least score that is referred. Null where the run has none. */
  readonly threshold: number | null;
}

/** A referral in a few words. */
export function referralText({ decision, by, score, threshold }: Referral): string {
  const why = by === 'ungradable' ? 'not gradable' : `score ${score?.toFixed(2)}, from ${threshold?.toFixed(2)} on`;
  return `${decision === 'refer' ? 'REFER' : 'no referral'} (${why})`;
}

/** The referral's cells of the table. */
export function referralCells(referral: Referral | undefined): PredictionRow {
  return referral ? { referral: referral.decision, referral_p: referral.score } : {};
}
