/** From cases and counts to the figures of the field's protocol. */
import { GRADE_COUNTS, TASKS } from '../domain.ts';
import { decideGrade, type GradeDecision } from '../metrics/inputs.ts';
import type { FrocIntervals, FrocScores } from '../metrics/froc.ts';
import { type GateIntervals, type GateReport, gateIntervals, gateReport } from '../metrics/gate.ts';
import { type GradedCase, type GradingReport, gradingReport } from '../metrics/grading.ts';
import { type GradingIntervals, gradingIntervals, type JointCase, jointInterval } from '../metrics/gradingIntervals.ts';
import type { Interval } from '../metrics/bootstrap.ts';
import type { LesionScores } from '../metrics/segmentation.ts';
import {
  meanOverLesions,
  type SegmentationIntervals,
  segmentationIntervals,
} from '../metrics/segmentationIntervals.ts';
import { type PrecisionRecallPoint, precisionRecallCurve } from '../metrics/precisionRecall.ts';
import { temperCases } from '../metrics/temperature.ts';
import { type Collected, negativeLog } from './collect.ts';

/** What the network scores on a set of items; plain JSON. Parts without items are null. */
export interface Evaluation {
  readonly images: number;
  /** By structure; at the network's resolution unless said otherwise. */
  readonly segmentation: Readonly<Record<string, LesionScores>> | null;
  readonly retinopathy: GradingReport | null;
  readonly edema: GradingReport | null;
  /** Share of images whose two grades are both right; null where no image has both. */
  readonly joint: number | null;
  readonly gate: GateReport;
  /** How grades were decided from their probabilities. */
  readonly gradeDecision: GradeDecision;
  /** Lesion-level scores; null where they were not counted. */
  readonly detections: Readonly<Record<string, FrocScores>> | null;
  /** For a plot; null with {@link SummaryOptions.curves} off. */
  readonly precisionRecall: Readonly<Record<string, readonly PrecisionRecallPoint[]>> | null;
  /** 95 % bootstrap intervals over images; null where not asked for or without cases. */
  readonly intervals: {
    readonly retinopathy: GradingIntervals | null;
    readonly edema: GradingIntervals | null;
    readonly joint: Interval | null;
    readonly segmentation: SegmentationIntervals | null;
    readonly detections: Readonly<Record<string, FrocIntervals>> | null;
    readonly gate: GateIntervals | null;
  };
  /** Mean losses: binary cross-entropy and 1 - Dice of the masks, cross-entropies of the grades. NaN where absent. */
  readonly losses: {
    readonly bce: number;
    readonly dice: number;
    readonly retinopathy: number;
    readonly edema: number;
    readonly gate: number;
  };
}

/** By what each head's logits are divided. */
export interface Temperatures {
  readonly retinopathy: number;
  readonly edema: number;
  readonly gate: number;
}

export interface SummaryOptions {
  /** Bootstrap intervals (2,000 resamples). Default true. */
  readonly intervals?: boolean;
  /** Precision-recall curves. Default false. */
  readonly curves?: boolean;
  /** Which of the collected settings of thresholds. Default 0. */
  readonly setting?: number;
  /** Default: all 1. */
  readonly temperatures?: Temperatures;
}

const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

const crossEntropy = (cases: readonly GradedCase[]): number =>
  meanOf(cases.map(({ truth, probabilities }) => negativeLog(probabilities[truth])));

/** The figures of what was collected, at one setting of thresholds and temperatures. */
export function summarise(collected: Collected, options: SummaryOptions = {}): Evaluation {
  const { intervals = true, curves = false, setting = 0, temperatures } = options;
  const tempered = <Case extends GradedCase>(cases: readonly Case[], temperature = 1): readonly Case[] =>
    temperature === 1 ? cases : temperCases(cases, temperature);
  const retinopathy = tempered(collected.retinopathy, temperatures?.retinopathy);
  const edema = tempered(collected.edema, temperatures?.edema);
  const gate = tempered(collected.gate, temperatures?.gate);
  const scored = collected.masks?.[setting] ?? null;
  const byId = new Map(edema.map((one) => [one.id, one]));
  const joint = retinopathy.flatMap((dr): JointCase[] => {
    const dme = byId.get(dr.id);
    return dme ? [{ id: dr.id, dr, dme }] : [];
  });
  const decision = collected.gradeDecision;
  const isRight = ({ truth, probabilities }: GradedCase): boolean => decideGrade(decision, probabilities) === truth;
  const drawn = <Value>(cases: readonly unknown[], make: () => Value): Value | null =>
    intervals && cases.length > 0 ? make() : null;
  return {
    images: collected.images,
    segmentation: scored?.segmentation.result() ?? null,
    retinopathy: retinopathy.length > 0 ? gradingReport(retinopathy, GRADE_COUNTS.retinopathy, decision) : null,
    edema: edema.length > 0 ? gradingReport(edema, GRADE_COUNTS.edema, decision) : null,
    joint: joint.length > 0 ? meanOf(joint.map(({ dr, dme }) => (isRight(dr) && isRight(dme) ? 1 : 0))) : null,
    gate: gateReport(gate, TASKS),
    gradeDecision: decision,
    detections: scored?.detections?.result() ?? null,
    precisionRecall:
      scored && curves
        ? Object.fromEntries(
            collected.lesions.map((lesion) => [lesion, precisionRecallCurve(scored.segmentation.histogram(lesion))]),
          )
        : null,
    intervals: {
      retinopathy: drawn(retinopathy, () => gradingIntervals(retinopathy, GRADE_COUNTS.retinopathy, { decision })),
      edema: drawn(edema, () => gradingIntervals(edema, GRADE_COUNTS.edema, { decision })),
      joint: drawn(joint, () => jointInterval(joint, { decision })),
      segmentation: scored && intervals ? segmentationIntervals(scored.segmentation) : null,
      detections: intervals ? (scored?.detections?.intervals() ?? null) : null,
      gate: drawn(gate, () => gateIntervals(gate, TASKS)),
    },
    losses: {
      bce: meanOf(collected.maskLosses.map(({ bce }) => bce)),
      dice: meanOf(collected.maskLosses.map(({ dice }) => dice)),
      retinopathy: crossEntropy(retinopathy),
      edema: crossEntropy(edema),
      gate: crossEntropy(gate),
    },
  };
}

/** Mean aggregated Dice over the structures that occur; NaN where none does. */
export function meanDice(evaluation: Evaluation): number {
  const values = Object.values(evaluation.segmentation ?? {})
    .map(({ dice }) => dice)
    .filter((value) => !Number.isNaN(value));
  return meanOf(values);
}

/** Mean aggregated Dice over MA, HE, EX and SE, those of them that were scored: the field's figure. NaN where none was. */
export function meanLesionDice(evaluation: Evaluation): number {
  return evaluation.segmentation ? meanOverLesions(evaluation.segmentation, 'dice') : Number.NaN;
}

/**
 * The figure by which the best checkpoint is chosen, on validation data only: the mean of mean Dice and of the AUROC "no retinopathy
 * or some"; where one is not defined (no such images, one class only) the other alone.
 */
export function selectionScore(evaluation: Evaluation): number {
  const parts = [meanDice(evaluation), evaluation.retinopathy?.anyAuroc ?? Number.NaN].filter(
    (value) => !Number.isNaN(value),
  );
  return parts.length > 0 ? meanOf(parts) : Number.NaN;
}
