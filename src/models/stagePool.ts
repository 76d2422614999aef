import type { Tensor } from '../autograd/tensor.ts';
import * as F from '../nn/functional.ts';
import { LayerNorm } from '../nn/layers.ts';
import { block, Module } from '../nn/module.ts';

/**
 * What the maps of all stages say of a whole image: of each stage the mean and the maximum over the pixels of every channel, normalised
 * together (LayerNorm). The maximum keeps a lesion of a few pixels that a mean over the map loses, and the fine maps are those that the
 * mask decoder teaches through its skip connections.
 */
export class StagePool extends Module {
  readonly norms: readonly LayerNorm[];
  /** Length of the result: twice the channels of all stages. */
  readonly outFeatures: number;

  /** @param channels Channels of the stages' maps, in the order in which they come. */
  constructor(channels: readonly number[]) {
    super();
    this.norms = channels.map((count) => new LayerNorm(2 * count, 1e-6));
    this.outFeatures = channels.reduce((sum, count) => sum + 2 * count, 0);
  }

  /** Maps [N, h, w, C] of every stage → [N, outFeatures], float32. */
  forward(features: readonly Tensor[]): Tensor {
    return block(features[0], () =>
      F.concat(
        features.map((map, stage) =>
          this.norms[stage].forward(F.concat([map.mean([1, 2]), map.max([1, 2]).cast('f32')], -1)),
        ),
        -1,
      ),
    );
  }
}
