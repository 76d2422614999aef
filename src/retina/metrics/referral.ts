/** Whether an eye is referred: one rule for the truth, one score for the network, and the operating point between them. */
import type { GradedTask } from '../domain.ts';
import { GRADED_TASKS } from '../domain.ts';
import type { Numbers } from './inputs.ts';
import { type Proportion, proportion } from './proportion.ts';
import type { Doubt, ReferralCase } from './referralCase.ts';
import { riskCoverage } from './selective.ts';
import { type BandWish, decisionCases, fitBand, isUnsure, type UnsureBand } from './unsureBand.ts';
import { gradeMass, sensitivityAtSpecificity, specificityAtSensitivity } from './ranking.ts';

/** The least grade of each task that is referred; null: the task does not count. */
export type ReferralRule = Readonly<Record<GradedTask, number | null>>;

/** What an operating point is asked to reach on the pictures that it is fitted on. */
export interface ReferralTarget {
  readonly measure: 'sensitivity' | 'specificity';
  /** At least this, below 1. */
  readonly value: number;
}

/** The tasks that count under a rule, with their least grade. */
export function ruleTasks(rule: ReferralRule): { readonly task: GradedTask; readonly least: number }[] {
  return GRADED_TASKS.flatMap((task) => {
    const least = rule[task];
    return least === null ? [] : [{ task, least }];
  });
}

/** A rule as text: `retinopathy >= 2 or edema >= 1`. */
export const ruleText = (rule: ReferralRule): string =>
  ruleTasks(rule)
    .map(({ task, least }) => `${task} >= ${least}`)
    .join(' or ');

/**
 * How much speaks for a referral, 0 to 1: the greatest P(grade >= least) among the rule's tasks, each the mass by which AUROC "referable"
 * ranks too. NaN where a task of the rule has no probabilities, or no task counts.
 */
export function referralScore(rule: ReferralRule, probabilities: Readonly<Record<GradedTask, Numbers | null>>): number {
  const masses = ruleTasks(rule).map(({ task, least }) => {
    const values = probabilities[task];
    return values === null ? Number.NaN : gradeMass(values, 0, values.length, least);
  });
  return masses.length === 0 ? Number.NaN : Math.max(...masses);
}

/** Whether grades are to be referred by the rule; null where one that could decide it is missing. */
export function isReferable(rule: ReferralRule, grades: Readonly<Record<GradedTask, number | null>>): boolean | null {
  const tasks = ruleTasks(rule);
  if (tasks.some(({ task, least }) => (grades[task] ?? -1) >= least)) return true;
  return tasks.some(({ task }) => grades[task] === null) ? null : false;
}

/** What decisions come to on cases with a known truth. Shares have Wilson's intervals. */
export interface ReferralFigures {
  readonly sensitivity: Proportion;
  readonly specificity: Proportion;
}

/** Sensitivity and specificity of "score >= threshold". */
const referralFigures = (cases: readonly ReferralCase[], threshold: number): ReferralFigures =>
  figuresOf(cases.map(({ isReferable: truth, score }) => ({ truth, isReferred: score >= threshold })));

function figuresOf(decided: readonly { readonly truth: boolean; readonly isReferred: boolean }[]): ReferralFigures {
  const ill = decided.filter(({ truth }) => truth);
  const well = decided.filter(({ truth }) => !truth);
  return {
    sensitivity: proportion(ill.filter(({ isReferred }) => isReferred).length, ill.length),
    specificity: proportion(well.filter(({ isReferred }) => !isReferred).length, well.length),
  };
}

/** Fewest pictures that an operating point is fitted on. */
export const LEAST_REFERRAL_PICTURES = 20;
/** Fewest pictures of the side that the target is about, whatever the target; and of the other side. */
const LEAST_OF_SIDE = 10;
const LEAST_OF_OTHER = 5;

/**
 * Fewest pictures of each side for a target. A sensitivity of 0.95 cannot be told from 1 on fewer than 1 / (1 − 0.95) = 20 referable
 * pictures; of the other side, which is only measured, five are needed.
 */
export function leastPictures({ measure, value }: ReferralTarget): {
  readonly referable: number;
  readonly other: number;
} {
  const side = Math.max(LEAST_OF_SIDE, Math.ceil(1 / (1 - value) - 1e-9));
  return measure === 'sensitivity'
    ? { referable: side, other: LEAST_OF_OTHER }
    : { referable: LEAST_OF_OTHER, other: side };
}

/** A threshold for the score with what it stands on; or the reason why there is none. */
export interface FittedReferral {
  readonly rule: ReferralRule;
  readonly target: ReferralTarget;
  /** `unattainable`: no threshold reaches the target and refers anyone. */
  readonly reason: 'fitted' | 'too-few' | 'unattainable';
  /** A picture is referred where its score is at least this. Null unless fitted. */
  readonly threshold: number | null;
  /** The pictures it was fitted on, and how many of them are referable. */
  readonly pictures: number;
  readonly referable: number;
  /** On those same pictures: too good by what was fitted. Null unless fitted. */
  readonly fitted: ReferralFigures | null;
  /** Each picture under the threshold that was fitted without its fifth of the pictures. Null unless fitted. */
  readonly crossValidated: ReferralFigures | null;
  /** The scores around the threshold that decide nothing. Null unless fitted. */
  readonly band: UnsureBand | null;
}

const FOLDS = 5;

/**
 * The operating point that reaches the target on VALIDATION pictures and is best at the other measure among those, in the gap below its
 * lowest referred score, so that rounding decides nothing. Refused on fewer pictures than {@link LEAST_REFERRAL_PICTURES} and {@link leastPictures}.
 */
export function fitReferral(
  cases: readonly ReferralCase[],
  rule: ReferralRule,
  target: ReferralTarget,
  wish: BandWish,
): FittedReferral {
  const referable = cases.filter((one) => one.isReferable).length;
  const least = leastPictures(target);
  const nothing = { threshold: null, fitted: null, crossValidated: null, band: null };
  const none = { rule, target, pictures: cases.length, referable, ...nothing };
  if (cases.length < LEAST_REFERRAL_PICTURES || referable < least.referable || cases.length - referable < least.other) {
    return { ...none, reason: 'too-few' };
  }
  const threshold = thresholdFor(cases, target);
  if (threshold === null) return { ...none, reason: 'unattainable' };
  // Referable ones first, so that every fold has its share of them.
  const ordered = [...cases].sort((a, b) => Number(b.isReferable) - Number(a.isReferable));
  const heldOut = Array.from({ length: FOLDS }, (_, fold) => {
    const own = thresholdFor(
      ordered.filter((_case, index) => index % FOLDS !== fold),
      target,
    );
    return ordered
      .filter((_case, index) => index % FOLDS === fold)
      .map(({ isReferable: truth, score }) => ({ truth, isReferred: own !== null && score >= own }));
  }).flat();
  return {
    ...none,
    reason: 'fitted',
    threshold,
    fitted: referralFigures(cases, threshold),
    crossValidated: figuresOf(heldOut),
    band: fitBand(cases, threshold, wish),
  };
}

function thresholdFor(cases: readonly ReferralCase[], { measure, value }: ReferralTarget): number | null {
  const positives = cases.map((one) => (one.isReferable ? 1 : 0));
  const scores = cases.map(({ score }) => score);
  const point =
    measure === 'sensitivity'
      ? specificityAtSensitivity(positives, scores, value)
      : sensitivityAtSpecificity(positives, scores, value);
  if (!Number.isFinite(point.threshold)) return null;
  const below = Math.max(0, ...scores.filter((score) => score < point.threshold));
  return (point.threshold + below) / 2;
}

/** A rule's decisions on pictures that it was not fitted on. Plain JSON. */
export interface ReferralReport extends ReferralFigures {
  readonly rule: ReferralRule;
  readonly threshold: number;
  readonly pictures: number;
  readonly referable: number;
  readonly referred: number;
  /** Pictures that are "not sure": whose score lies in the band, or which no score decides on, whose number follows. */
  readonly unsure: number;
  readonly ungradable: number;
  readonly unlike: number;
  /** What the decisions on the others come to. */
  readonly sure: ReferralFigures;
  /** Area under the risk–coverage curve of the decisions, the surest first: see `riskCoverage`. */
  readonly aurc: number;
  /** Share of the referred pictures that are referable, and of the others that are not. */
  readonly positivePredictiveValue: Proportion;
  readonly negativePredictiveValue: Proportion;
}

/** ` (2 not gradable, 1 unlike the training pictures)`: what the pictures themselves make it not sure of; empty where it is nothing. */
export function doubtsText({ ungradable, unlike }: Pick<ReferralReport, 'ungradable' | 'unlike'>): string {
  const named = [
    ...(ungradable > 0 ? [`${ungradable} not gradable`] : []),
    ...(unlike > 0 ? [`${unlike} unlike the training pictures`] : []),
  ];
  return named.length === 0 ? '' : ` (${named.join(', ')})`;
}

/** Scores the decisions "score >= threshold" on cases. */
export function referralReport(
  cases: readonly ReferralCase[],
  { rule, threshold, band }: Pick<FittedReferral, 'rule' | 'band'> & { readonly threshold: number },
): ReferralReport {
  const sure = cases.filter(({ score, doubt }) => !doubt && !isUnsure(band, score));
  const doubted = (kind: Doubt): number => cases.filter(({ doubt }) => doubt === kind).length;
  const figures = referralFigures(cases, threshold);
  const { count: found, of: referable } = figures.sensitivity;
  const { count: spared } = figures.specificity;
  const referred = cases.filter(({ score }) => score >= threshold).length;
  return {
    rule,
    threshold,
    pictures: cases.length,
    referable,
    referred,
    unsure: cases.length - sure.length,
    ungradable: doubted('ungradable'),
    unlike: doubted('unlike'),
    sure: referralFigures(sure, threshold),
    aurc: riskCoverage(decisionCases(cases, threshold)).aurc,
    ...figures,
    positivePredictiveValue: proportion(found, referred),
    negativePredictiveValue: proportion(spared, cases.length - referred),
  };
}
