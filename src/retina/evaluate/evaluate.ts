/** Scoring a network on items: cheap enough for validation in training; `scoreRun` is the whole protocol. */
import type { Engine } from '../../engine/autograd/engine.ts';
import type { SampleSource } from '../data/loading/loader.ts';
import type { DatasetItem } from '../domain.ts';
import type { MultitaskNet } from '../network/network.ts';
import type { TrainConfig } from '../config/resolve.ts';
import { collect, type CollectOptions } from './collect.ts';
import { maskScorer } from './masks.ts';
import { type Evaluation, summarise } from './summary.ts';

export { type Evaluation, meanDice, meanLesionDice, selectionScore } from './summary.ts';

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
  engine: Engine,
  model: MultitaskNet,
  items: readonly DatasetItem[],
  source: SampleSource,
  config: TrainConfig,
  options: EvaluateOptions,
): Promise<Evaluation> {
  const { intervals = true, ...collecting } = options;
  const scorer = maskScorer(engine, model, source, config, { frame: 'network', flips: options.flips ?? false });
  const collected = await collect(engine, model, items, source, config, {
    ...(scorer && { maskScorer: scorer }),
    ...collecting,
  });
  return summarise(collected, { intervals });
}
