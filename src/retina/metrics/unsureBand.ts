/** The scores around an operating point that decide nothing: "not sure". */
import { type Proportion, proportion } from './proportion.ts';
import type { ReferralCase } from './referralCase.ts';
import { type SelectiveCase, selectByError } from './selective.ts';

/** What a band is asked for: to leave at least this share of pictures decided, or at most this share of the decided ones wrong. */
export interface BandWish {
  readonly measure: 'coverage' | 'error';
  readonly value: number;
}

/** Scores strictly between `low` and `high` are not sure; or the reason why there is no band. */
export interface UnsureBand {
  readonly wish: BandWish;
  /** `unattainable`: no choice of these few pictures keeps the error asked for. */
  readonly reason: 'fitted' | 'unattainable';
  readonly low: number | null;
  readonly high: number | null;
  /** Decided pictures among those it was fitted on, and wrong ones among the decided. Null unless fitted. */
  readonly decided: Proportion | null;
  readonly wrong: Proportion | null;
}

/** Scores nearer to 0 or 1 than float32 can say are taken as this far. */
const EDGE = 1e-6;
const logit = (score: number): number => {
  const inside = Math.min(1 - EDGE, Math.max(EDGE, score));
  return Math.log(inside / (1 - inside));
};
const sigmoid = (value: number): number => 1 / (1 + Math.exp(-value));

/** How sure a decision is: the distance of its score from the threshold, in log odds, so that 0.01 and 0.10 are as far apart as 0.90 and 0.99. */
export const decisionConfidence = (score: number, threshold: number): number =>
  Math.abs(logit(score) - logit(threshold));

/** The decisions "score >= threshold" as answers, right or wrong. */
export const decisionCases = (cases: readonly ReferralCase[], threshold: number): SelectiveCase[] =>
  cases.map(({ isReferable, score }) => ({
    confidence: decisionConfidence(score, threshold),
    isWrong: score >= threshold !== isReferable,
  }));

/** Whether a score lies within the band. */
export const isUnsure = (band: Pick<UnsureBand, 'low' | 'high'> | null, score: number): boolean =>
  band !== null && band.low !== null && band.high !== null && score > band.low && score < band.high;

/** The narrowest band around a threshold that does on VALIDATION pictures what is asked for: those nearest to it are left undecided. */
export function fitBand(cases: readonly ReferralCase[], threshold: number, wish: BandWish): UnsureBand {
  const answers = decisionCases(cases, threshold);
  const none = { wish, low: null, high: null, decided: null, wrong: null };
  const answered =
    wish.measure === 'coverage'
      ? Math.ceil(wish.value * cases.length - 1e-9)
      : (selectByError(answers, wish.value)?.answered ?? 0);
  if (answered === 0) return { ...none, reason: 'unattainable' };
  const distances = answers.map(({ confidence }) => confidence).sort((one, other) => one - other);
  const left = cases.length - answered;
  const width = left === 0 ? 0 : (distances[left - 1] + distances[left]) / 2;
  const [low, high] = [sigmoid(logit(threshold) - width), sigmoid(logit(threshold) + width)];
  const decided = answers.filter((_, index) => !isUnsure({ low, high }, cases[index].score));
  return {
    wish,
    reason: 'fitted',
    low,
    high,
    decided: proportion(decided.length, cases.length),
    wrong: proportion(decided.filter(({ isWrong }) => isWrong).length, decided.length),
  };
}
