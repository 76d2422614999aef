/** The report's section on uncertainty: what answering only the surest pictures would gain. */
import { GRADED_TASKS, GRADINGS } from '../domain.ts';
import { gradeAnswers } from '../metrics/grading.ts';
import { riskCoverage, type SelectiveCase } from '../metrics/selective.ts';
import { decisionCases } from '../metrics/unsureBand.ts';
import type { Curve, UncertaintyData } from '../report/html/data.ts';
import { bandText } from '../run/calibrationFormat.ts';
import type { ProtocolResult } from './protocol.ts';
import { referralCasesOf } from './referral.ts';

/** Most points of a curve that are drawn. */
const MOST_POINTS = 300;

function curveOf(name: string, answers: readonly SelectiveCase[]): Curve[] {
  if (answers.length === 0) return [];
  const { points, aurc } = riskCoverage(answers);
  const step = Math.max(1, Math.ceil(points.length / MOST_POINTS));
  const shown = points.filter((_, index) => index % step === 0 || index === points.length - 1);
  return [
    {
      name,
      points: shown.map(({ coverage, risk }): [number, number] => [coverage, risk]),
      note: `AURC ${aurc.toFixed(3)}`,
    },
  ];
}

/** Undefined where nothing was graded. */
export function uncertaintyOf({ collected, calibration, referral }: ProtocolResult): UncertaintyData | undefined {
  const curves = [
    ...(referral && calibration
      ? curveOf('referral', decisionCases(referralCasesOf(collected, calibration), referral.threshold))
      : []),
    ...GRADED_TASKS.flatMap((task) =>
      curveOf(`grade of ${GRADINGS[task].name}`, gradeAnswers(collected[task], collected.gradeDecision)),
    ),
  ];
  if (curves.length === 0) return undefined;
  const band = calibration?.referral?.band;
  const unsure =
    referral && band
      ? ` Referrals: ${bandText(band)}; here ${referral.unsure} of ${referral.pictures} pictures are not sure.`
      : '';
  return {
    note: `Pictures are taken by confidence, the surest first: how far the score is from the operating point, how probable the grade is. Coverage is the share taken, risk the share of wrong answers among them. A line that rises from the left says that the network knows when it may be wrong; a flat one, that it does not. AURC is the mean risk.${unsure}`,
    curves,
  };
}
