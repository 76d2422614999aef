/** The report's section on referrals. */
import { figuresOf, type NamedFigure, named, REFERRAL_FIGURES } from '../metrics/figures.ts';
import { doubtsText, type ReferralReport, ruleText } from '../metrics/referral.ts';
import type { ReferralData } from '../report/html/data.ts';
import { referralRefusal } from '../run/calibrationFormat.ts';
import type { ProtocolResult } from './protocol.ts';

/** Undefined where nothing was fitted, for want of graded validation pictures or because that was not wanted. */
export function referralsOf({ calibration, referral: report }: ProtocolResult): ReferralData | undefined {
  const fitted = calibration?.referral;
  if (!fitted) return undefined;
  const refusal = referralRefusal(fitted);
  const rule = `An eye is to be referred where ${ruleText(fitted.rule).replaceAll('>=', '≥')}.`;
  if (refusal !== null) return { note: `${rule} There is no operating point: ${refusal}.`, figures: [] };
  const { target, pictures, referable, threshold } = fitted;
  const point = `Its score is the greatest calibrated probability of such a grade; from ${threshold?.toFixed(3)} on it is referred. This point was chosen for a ${target.measure} of at least ${target.value} on ${pictures} validation pictures, ${referable} of them referable.`;
  if (report === null) return { note: `${rule} ${point}`, figures: [] };
  const { sensitivity, specificity, unsure, sure } = report;
  const shares = [sure.sensitivity, sure.specificity].map(
    ({ count, of, value }) => `${value.toFixed(2)} (${count} of ${of})`,
  );
  const band =
    unsure === 0
      ? ''
      : ` Of ${unsure} pictures${doubtsText(report)} it is not sure; of the other ${report.pictures - unsure} the sensitivity is ${shares[0]}, the specificity ${shares[1]}.`;
  return {
    note: `${rule} ${point}${band} Intervals are Wilson's.`,
    figures: figuresOf(REFERRAL_FIGURES, report, { ...report, aurc: undefined }),
    counts: {
      columns: ['Truth', 'Referred', 'Not referred'],
      rows: [
        [`To be referred: ${sensitivity.of}`, sensitivity.count, sensitivity.of - sensitivity.count],
        [`Not to be: ${specificity.of}`, specificity.of - specificity.count, specificity.count],
      ],
    },
  };
}

/** Sensitivity and specificity for the head of the page. */
export function referralHeadline(report: ReferralReport | null): NamedFigure[] {
  if (report === null) return [];
  const { sensitivity, specificity } = REFERRAL_FIGURES;
  const note = (of: number, which: string): string => `of ${of} pictures ${which}`;
  return [
    named(sensitivity, report, report, {
      label: 'Referral sensitivity',
      note: note(report.sensitivity.of, 'to be referred'),
    }),
    named(specificity, report, report, {
      label: 'Referral specificity',
      note: note(report.specificity.of, 'not to be referred'),
    }),
  ];
}
