/** What a network scores on a set of images, as plain JSON, and the means over its structures. */
import type { Interval } from './bootstrap.ts';
import type { FrocIntervals, FrocScores } from './froc.ts';
import type { GateIntervals, GateReport } from './gate.ts';
import type { GradingReport } from './grading.ts';
import type { GradingIntervals } from './gradingIntervals.ts';
import { type GradeDecision, meanOfDefined } from './inputs.ts';
import type { PrecisionRecallPoint } from './precisionRecall.ts';
import { meanOverLesions, type StructureScores } from './segmentation.ts';
import type { SegmentationIntervals } from './segmentationIntervals.ts';

/** Everything that was measured; parts without items are null. NaN marks a figure that the images leave undefined. */
export interface Evaluation {
  readonly images: number;
  /** By structure; at the network's resolution unless stated otherwise. */
  readonly segmentation: Readonly<Record<string, StructureScores>> | null;
  readonly retinopathy: GradingReport | null;
  readonly edema: GradingReport | null;
  /** Share of images whose two grades are both right; null where no image has both. */
  readonly joint: number | null;
  readonly gate: GateReport;
  /** How grades were decided from their probabilities. */
  readonly gradeDecision: GradeDecision;
  /** Lesion-level scores; null where they were not counted. */
  readonly detections: Readonly<Record<string, FrocScores>> | null;
  /** For a plot; null where curves were not requested. */
  readonly precisionRecall: Readonly<Record<string, readonly PrecisionRecallPoint[]>> | null;
  /** 95 % bootstrap intervals over images; null where not requested or without cases. */
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

/** Dice of the structures that were scored in one image; NaN where truth and prediction are both empty. */
export type ImageDice = Readonly<Record<string, number>>;

/** The Dice of every image with masks, by its id. */
export function diceByImage({ segmentation }: Evaluation): ReadonlyMap<string, ImageDice> {
  const byImage = new Map<string, Record<string, number>>();
  for (const [structure, { images }] of Object.entries(segmentation ?? {})) {
    for (const { image, dice } of images) {
      const own = byImage.get(image) ?? {};
      own[structure] = dice;
      byImage.set(image, own);
    }
  }
  return byImage;
}

/** Mean aggregated Dice over the structures that occur; NaN where none does. */
export function meanDice({ segmentation }: Evaluation): number {
  return meanOfDefined(Object.values(segmentation ?? {}).map(({ dice }) => dice));
}

/** Mean aggregated Dice over those of MA, HE, EX and SE that were scored, the figure that papers on IDRiD report. NaN where none was. */
export function meanLesionDice({ segmentation }: Evaluation): number {
  return segmentation ? meanOverLesions(segmentation, 'dice') : Number.NaN;
}

/**
 * The figure by which the best checkpoint is chosen, on validation data only: the mean of mean Dice and of the AUROC of "any
 * retinopathy"; where one of them is undefined (no such images, one class only), the other alone.
 */
export function selectionScore(evaluation: Evaluation): number {
  return meanOfDefined([meanDice(evaluation), evaluation.retinopathy?.anyAuroc ?? Number.NaN]);
}
