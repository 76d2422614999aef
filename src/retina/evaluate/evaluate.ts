/** Scoring a network on items: cheap enough for validation in training; `evaluateRun` is the whole protocol. */
import type { DatasetItem } from '../domain.ts';
import type { Predictor } from '../predict/predictor.ts';
import { collect, type CollectOptions } from './collect.ts';
import { maskScorer } from './masks.ts';
import type { Evaluation } from '../metrics/evaluation.ts';
import { summarize } from './summary.ts';

export interface EvaluateOptions extends CollectOptions {
  /** Bootstrap intervals (2,000 resamples). Default true; validation during training leaves them out. */
  readonly intervals?: boolean;
}

/**
 * Scores the network on items: each image by its own task's expert (so that the gate's mistakes do not hide the experts'), the gate
 * by its own accuracy; masks at the threshold 0.5, tiled where the network was trained on tiles.
 *
 * @throws GmtlError as {@link collect}.
 */
export async function evaluate(
  predictor: Predictor,
  items: readonly DatasetItem[],
  options: EvaluateOptions,
): Promise<Evaluation> {
  const { intervals = true, ...collecting } = options;
  const scorer = maskScorer(predictor, { frame: 'network', flips: options.flips ?? false });
  const collected = await collect(predictor, items, { maskScorer: scorer, ...collecting });
  return summarize(collected, { intervals });
}
