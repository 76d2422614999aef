/** Turns cases and counts into the figures of the field's protocol. */
import { GRADE_COUNTS, TASKS } from '../domain.ts';
import type { Evaluation } from '../metrics/evaluation.ts';
import { gateIntervals, gateReport } from '../metrics/gate.ts';
import { type GradedCase, gradingReport } from '../metrics/grading.ts';
import { gradingIntervals, type JointCase, jointInterval } from '../metrics/gradingIntervals.ts';
import { decideGrade } from '../metrics/inputs.ts';
import { precisionRecallCurve } from '../metrics/precisionRecall.ts';
import { segmentationIntervals } from '../metrics/segmentationIntervals.ts';
import { temperCases } from '../metrics/temperature.ts';
import { type Collected, negativeLog } from './collect.ts';

/** The number by which each head's logits are divided. */
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
  /** Index of the collected setting of thresholds. Default 0. */
  readonly setting?: number;
  /** Default: all 1. */
  readonly temperatures?: Temperatures;
}

const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

const crossEntropy = (cases: readonly GradedCase[]): number =>
  meanOf(cases.map(({ truth, probabilities }) => negativeLog(probabilities[truth])));

/** The figures of what was collected, at one setting of thresholds and temperatures. */
export function summarize(collected: Collected, options: SummaryOptions = {}): Evaluation {
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
            collected.structures.map((structure) => [
              structure,
              precisionRecallCurve(scored.segmentation.histogram(structure)),
            ]),
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
