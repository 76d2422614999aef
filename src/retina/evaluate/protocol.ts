/** The field's protocol on one checkpoint: calibrate on validation images, score the images of a split once. */
import { type Dataset, type DatasetItem, selectItems, type Split } from '../domain.ts';
import { GmtlError } from '../../engine/errors.ts';
import { calibratedTemperatures, calibratedThresholds } from './applyCalibration.ts';
import { fitCalibration, type FittedHow } from './calibration.ts';
import type { Calibration } from '../run/calibrationFormat.ts';
import { collect, type Collected, type CollectOptions, type Thresholds } from './collect.ts';
import { maskScorer } from './masks.ts';
import type { Predictor } from '../predict/predictor.ts';
import type { Trust } from '../predict/trust.ts';
import { hasPoint, type ReferralWish, scoreReferral } from './referral.ts';
import { summarize } from './summary.ts';
import type { Evaluation } from '../metrics/evaluation.ts';
import type { ReferralReport } from '../metrics/referral.ts';

/** Runs the network on items and scores their masks at each setting of thresholds; `part` names the purpose. */
export type CollectItems = (
  items: readonly DatasetItem[],
  thresholds: readonly Thresholds[],
  part: 'calibration' | 'scores',
) => Promise<Collected>;

/** Judges pictures themselves, by id: see `trustOf`. */
export type JudgeItems = (items: readonly DatasetItem[]) => Promise<ReadonlyMap<string, Trust>>;

/** Both settings of a run on a split; plain JSON apart from `collected` and `trust`. */
export interface ProtocolResult {
  readonly split: Split;
  /** Every threshold 0.5, every temperature 1. */
  readonly plain: Evaluation;
  /** With thresholds and temperatures fitted on validation images; null where no images are left to fit them on fairly. */
  readonly calibrated: Evaluation | null;
  readonly calibration: Calibration | null;
  /** The decisions of the calibration's operating point; null without one, and on the pictures it was fitted on. */
  readonly referral: ReferralReport | null;
  /** Why something is missing. */
  readonly notes: readonly string[];
  readonly collected: Collected;
  /** In the graded pictures that a referral was decided for, by id. */
  readonly trust: ReadonlyMap<string, Trust>;
}

/** The figures of a result, for metrics.json and other records: without what is not plain JSON. */
export function recordedFigures({
  collected: _collected,
  trust: _trust,
  ...figures
}: ProtocolResult): Omit<ProtocolResult, 'collected' | 'trust'> {
  return figures;
}

export interface ProtocolOptions {
  readonly split: Split;
  /** Fit on the validation split. Default true. */
  readonly calibrate?: boolean;
  /** What is referred, see `fitCalibration`. Default null: no operating point is fitted. */
  readonly referral?: ReferralWish | null;
  readonly how: FittedHow;
  /** Default: every picture is decided on by its score. */
  readonly judge?: JudgeItems;
}

const NOT_JUDGED: ReadonlyMap<string, Trust> = new Map();

/** Scores test images at thresholds 0.5 and temperatures 1 without fitting anything: what a finished training reports. @throws GmtlError as `collect`. */
export async function scorePlainly(
  predictor: Predictor,
  items: readonly DatasetItem[],
  listeners: Pick<CollectOptions, 'onPredicted' | 'onMask'>,
): Promise<ProtocolResult> {
  const scorer = maskScorer(predictor, { frame: 'network', flips: false });
  const collected = await collect(predictor, items, { maskScorer: scorer, ...listeners });
  const notes = ['nothing is calibrated here: gmtl evaluate fits temperatures and thresholds on the validation images'];
  const plain = summarize(collected, { curves: true });
  return {
    split: 'test',
    plain,
    calibrated: null,
    calibration: null,
    referral: null,
    notes,
    collected,
    trust: NOT_JUDGED,
  };
}

/**
 * Fits temperatures and thresholds on the data set's validation images, and only on those, then scores the images of the split.
 *
 * @throws GmtlError `data/empty-split` for a split without images, and what `collect` throws.
 */
export async function runProtocol(
  dataset: Dataset,
  collectItems: CollectItems,
  { split, calibrate = true, referral = null, how, judge }: ProtocolOptions,
): Promise<ProtocolResult> {
  const items = selectItems(dataset, split);
  if (items.length === 0) {
    throw new GmtlError('data/empty-split', `${dataset.source}: the ${split} split has no images`);
  }
  const validation = selectItems(dataset, 'val');
  const notes: string[] = [];
  if (calibrate && validation.length === 0) {
    notes.push(
      'not calibrated: the validation split is empty (data.validationFraction 0?), and the images that are scored must not choose thresholds',
    );
  }
  let fitted: { calibration: Calibration; collected: Collected } | null = null;
  if (calibrate && validation.length > 0) {
    const collected = await collectItems(validation, [{}], 'calibration');
    fitted = { collected, calibration: fitCalibration(collected, how, referral) };
  }
  if (fitted && split === 'val') {
    notes.push('calibrated figures are left out: temperatures and thresholds were fitted on these very images');
    const { collected, calibration } = fitted;
    const plain = summarize(collected, { curves: true });
    return { split, plain, calibrated: null, calibration, referral: null, notes, collected, trust: NOT_JUDGED };
  }
  const calibration = fitted?.calibration ?? null;
  const thresholds = calibration ? [{}, calibratedThresholds(calibration)] : [{}];
  const collected = await collectItems(items, thresholds, 'scores');
  const graded = items.filter(({ task }) => task === 'classification');
  const trust = judge && calibration && hasPoint(calibration) ? await judge(graded) : NOT_JUDGED;
  return {
    split,
    plain: summarize(collected, { curves: true }),
    calibrated:
      calibration &&
      summarize(collected, { curves: true, setting: 1, temperatures: calibratedTemperatures(calibration) }),
    calibration,
    referral: calibration && scoreReferral(collected, calibration, trust),
    notes,
    collected,
    trust,
  };
}
