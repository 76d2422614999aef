/** Chooses how masks are scored where not whole at the network's resolution: tiled, or in the original frame. */
import type { Predictor } from '../predict/predictor.ts';
import { evaluateFrames } from './frames.ts';
import type { MaskScorer } from './collect.ts';

export interface MaskScoring {
  /**
   * `network`: at the resolution of its input, against masks prepared as in training (for a tiled network, the square its tiles are cut from).
   * `native`: mapped back onto the original picture, against the masks as drawn.
   */
  readonly frame: 'network' | 'native';
  /** Mean over the four flips. */
  readonly flips: boolean;
}

/** The scorer that a configuration and a frame call for; undefined where masks are scored as they come from the network. */
export function maskScorer(predictor: Predictor, { frame, flips }: MaskScoring): MaskScorer | undefined {
  if (frame === 'network' && predictor.tiling === null) return undefined;
  return async (items, add) => {
    await evaluateFrames(predictor, items, {
      flips,
      space: frame === 'native' ? 'frame' : 'crop',
      onPlane: ({ item, structure, truth, probability, width }) =>
        add({ id: item.id, structure, truth, probability, width }),
    });
  };
}
