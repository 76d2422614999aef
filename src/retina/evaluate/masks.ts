/** How masks are scored other than whole at the network's resolution: tiled, or in the original frame. */
import type { Engine } from '../../engine/autograd/engine.ts';
import type { SampleSource } from '../data/loading/loader.ts';
import type { MultitaskNet } from '../network/network.ts';
import type { TrainConfig } from '../config/resolve.ts';
import { evaluateFrames } from './frames.ts';
import type { MaskScorer } from './collect.ts';

export interface MaskScoring {
  /**
   * `network`: what the network is shown against masks prepared as in training (of a tiled network, the square its tiles are cut from).
   * `native`: mapped back onto the original picture, against the masks as drawn.
   */
  readonly frame: 'network' | 'native';
  /** Mean over the four flips. */
  readonly flips: boolean;
}

/** The scorer that a configuration and a frame call for; undefined where masks are scored as they come from the network. */
export function maskScorer(
  engine: Engine,
  model: MultitaskNet,
  source: SampleSource,
  config: TrainConfig,
  { frame, flips }: MaskScoring,
): MaskScorer | undefined {
  if (frame === 'network' && config.data.tiles.mode === 'off') return undefined;
  return async (items, add) => {
    await evaluateFrames(engine, model, items, config, {
      flips,
      source,
      space: frame === 'native' ? 'frame' : 'crop',
      onPlane: ({ item, lesion, truth, probability, width }) => add({ id: item.id, lesion, truth, probability, width }),
    });
  };
}
