/** How `infer` decides on referrals: by the run's operating point, where that fits the network used, and by what is to become of ungradable pictures. */
import type { InferResult } from '../predict/result.ts';
import { ruleText } from '../metrics/referral.ts';
import { bandText, type Calibration, pointText, referralRefusal } from '../run/calibrationFormat.ts';
import { calibrateResult, referResult, referUngradable } from './applyCalibration.ts';

/** Decides on results, and says in a line how. */
export interface ReferralPolicy {
  readonly note: string;
  /** Adds the referral, if there is one, to a result with the network's own probabilities. */
  readonly refer: (result: InferResult) => InferResult;
}

/**
 * @param calibration null: the run has none.
 * @param doubts why the calibration does not fit the network used (`calibrationDoubts`). A point that was measured for another network decides nothing.
 * @param ungradable `refer` refers pictures that cannot be graded, whether there is an operating point or not.
 */
export function referralPolicy(
  calibration: Calibration | null,
  doubts: readonly string[],
  ungradable: 'refer' | 'skip' | 'warn',
): ReferralPolicy {
  const lacks = lacking(calibration, doubts);
  const byScore = (result: InferResult): InferResult =>
    lacks === null && calibration ? referResult(result, calibration) : result;
  const refer = (result: InferResult): InferResult =>
    ungradable === 'refer' ? referUngradable(byScore(result)) : byScore(result);
  const also = ungradable === 'refer' ? '; pictures that cannot be graded are referred' : '';
  const doubted = ungradable === 'warn' ? 'cannot be graded, or ' : '';
  if (lacks !== null || !calibration?.referral) return { note: `not decided by score: ${lacks}${also}`, refer };
  const { rule, threshold, band } = calibration.referral;
  const point = `${ruleText(rule)}, from a score of ${threshold?.toFixed(2)} on, chosen ${pointText(calibration.referral)}${band ? `; ${bandText(band)}` : ''}`;
  return { note: `${point}; not sure of pictures that ${doubted}are unlike the training pictures${also}`, refer };
}

/** What becomes of a network's result: its referral, then its calibration, if there is one. */
export const adjustBy =
  (policy: ReferralPolicy, calibration: Calibration | null) =>
  (result: InferResult): InferResult => {
    const referred = policy.refer(result);
    return calibration ? calibrateResult(referred, calibration) : referred;
  };

/** Why nothing is decided by score; null where it is. */
function lacking(calibration: Calibration | null, doubts: readonly string[]): string | null {
  if (calibration === null) {
    return 'the run has no calibration.json. "gmtl evaluate RUN" chooses an operating point on its validation pictures';
  }
  if (calibration.referral === null) {
    return 'its calibration.json has no operating point. "gmtl evaluate RUN" chooses one, if the run has graded validation pictures';
  }
  if (doubts.length > 0) return `the operating point was chosen for another network: ${doubts.join('; ')}`;
  return referralRefusal(calibration.referral);
}
