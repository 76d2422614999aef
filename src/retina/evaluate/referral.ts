/** Referrals of collected pictures: fitting the operating point, scoring its decisions. */
import { GRADED_TASKS, type GradedTask } from '../domain.ts';
import {
  fitReferral,
  type FittedReferral,
  isReferable,
  type ReferralReport,
  referralReport,
  type ReferralRule,
  referralScore,
  ruleTasks,
} from '../metrics/referral.ts';
import type { ReferralCase } from '../metrics/referralCase.ts';
import { temperCases } from '../metrics/temperature.ts';
import { doubtOf, type Trust } from '../predict/trust.ts';
import type { Calibration } from '../run/calibrationFormat.ts';
import { calibratedTemperatures } from './applyCalibration.ts';
import type { Collected } from './collect.ts';

/** What the configuration's section `referral` asks for. */
export interface ReferralWish extends ReferralRule {
  readonly sensitivity: number | null;
  readonly specificity: number | null;
  /** Share of pictures that are to be decided on; not looked at where `error` is given. */
  readonly coverage: number;
  /** Share of the decisions that may be wrong. */
  readonly error: number | null;
}

/** The sensitivity of an operating point for which neither measure is given: what screening programmes ask for, to the nearest tenth. */
const USUAL_SENSITIVITY = 0.9;

/** The pictures that have all grades of the rule, with their scores. Probabilities are divided by the temperatures first. */
function referralCases(
  { retinopathy, edema }: Pick<Collected, GradedTask>,
  rule: ReferralRule,
  temperatures: Readonly<Record<GradedTask, number>>,
): ReferralCase[] {
  const tempered = {
    retinopathy: temperCases(retinopathy, temperatures.retinopathy),
    edema: temperCases(edema, temperatures.edema),
  };
  const byId = Object.fromEntries(
    GRADED_TASKS.map((task) => [task, new Map(tempered[task].map((one) => [one.id, one]))]),
  ) as Record<GradedTask, Map<string, (typeof tempered)['edema'][number]>>;
  const ids = new Set([...byId.retinopathy.keys(), ...byId.edema.keys()]);
  return [...ids].flatMap((id): ReferralCase[] => {
    const [one, other] = [byId.retinopathy.get(id), byId.edema.get(id)];
    const truth = isReferable(rule, { retinopathy: one?.truth ?? null, edema: other?.truth ?? null });
    const score = referralScore(rule, { retinopathy: one?.probabilities ?? null, edema: other?.probabilities ?? null });
    return truth === null || Number.isNaN(score) ? [] : [{ id, isReferable: truth, score }];
  });
}

/**
 * Fits the operating point on what was collected from VALIDATION pictures. A task that none of them has grades of does not count: the
 * network was not taught it, or nothing says how well it does. Null where that leaves no task.
 */
export function fitCollectedReferral(
  validation: Collected,
  { temperatures }: Pick<Calibration, 'temperatures'>,
  { retinopathy, edema, sensitivity, specificity, coverage, error }: ReferralWish,
): FittedReferral | null {
  const rule = {
    retinopathy: validation.retinopathy.length > 0 ? retinopathy : null,
    edema: validation.edema.length > 0 ? edema : null,
  };
  if (ruleTasks(rule).length === 0) return null;
  const target =
    specificity === null
      ? ({ measure: 'sensitivity', value: sensitivity ?? USUAL_SENSITIVITY } as const)
      : ({ measure: 'specificity', value: specificity } as const);
  const band =
    error === null
      ? ({ measure: 'coverage', value: coverage } as const)
      : ({ measure: 'error', value: error } as const);
  return fitReferral(referralCases(validation, rule, calibratedTemperatures({ temperatures })), rule, target, band);
}

/** The pictures that a calibration's rule can be scored on; none where it has no operating point. */
export function referralCasesOf(collected: Collected, calibration: Calibration): ReferralCase[] {
  const rule = calibration.referral?.rule;
  return rule ? referralCases(collected, rule, calibratedTemperatures(calibration)) : [];
}

/** Whether a calibration decides by score. */
export const hasPoint = ({ referral }: Calibration): boolean => referral !== null && referral.threshold !== null;

/**
 * What the decisions of a calibration come to on other pictures; null where it has no operating point, or none has the grades.
 *
 * @param trust in each picture, by its id: where it is not to be trusted, no score decides.
 */
export function scoreReferral(
  collected: Collected,
  calibration: Calibration,
  trust: ReadonlyMap<string, Trust>,
): ReferralReport | null {
  const { referral } = calibration;
  if (referral === null || referral.threshold === null) return null;
  const cases = referralCasesOf(collected, calibration).map((one): ReferralCase => {
    const own = trust.get(one.id);
    return own ? { ...one, doubt: doubtOf(own) } : one;
  });
  return cases.length === 0 ? null : referralReport(cases, { ...referral, threshold: referral.threshold });
}
