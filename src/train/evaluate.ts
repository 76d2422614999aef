/** Scoring a network on items: cheap enough for validation in training; `scoreRun` is the whole protocol. */
import type { Engine } from '../autograd/engine.ts';
import type { SampleSource } from '../data/loader.ts';
import type { DatasetItem } from '../data/types.ts';
import type { MultitaskNet } from '../models/network.ts';
import type { TrainConfig } from './config.ts';
import { collect, type CollectOptions } from './protocolCollect.ts';
import { maskScorer } from './protocolMasks.ts';
import { type Evaluation, summarise } from './protocolSummary.ts';

export { type Evaluation, meanDice, meanLesionDice, selectionScore } from './protocolSummary.ts';

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
