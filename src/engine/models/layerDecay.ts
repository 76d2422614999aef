/**
 * Layer-wise learning-rate decay: which layer a parameter belongs to, counted from the input, and the factor of its learning rate.
 *
 * ConvNeXt follows the published grouping (facebookresearch/ConvNeXt optim_factory.py, and its detection code for tiny): the stem is
 * layer 0, stage 0 layer 1, stage 1 layer 2, each three blocks of stage 2 one layer from 3 on, stage 3 one layer; a downsampling
 * belongs to the layer that it leads into. That is 12 groups above the stem for small and base (27 blocks in stage 2) and 6 for
 * tiny (9 blocks), as published; the smaller variants follow the same rule (5 for atto, femto and pico, 6 for nano, 4 for demo).
 * A ResNet, for which nobody published a grouping, goes by stage: conv1 and bn1 are layer 0, layer1 to layer4 are 1 to 4. Everything
 * else, the trunk's last norm included, counts as heads: the last layer, at the full learning rate.
 */
import { GmtlError } from '../errors.ts';
import type { TrunkDescription } from './pretrained/trunk.ts';

/** Blocks of ConvNeXt's stage 2 that share a layer. */
const GROUP = 3;

/** Number of layers, the stem (0) and the heads (the last) included: 14 for ConvNeXt small and base, 8 for tiny, 6 for ResNet. */
export function layerCount(trunk: TrunkDescription): number {
  if (trunk.family === 'resnet') return trunk.depths.length + 2;
  return lastConvNeXtLayer(trunk) + 2;
}

function lastConvNeXtLayer(trunk: TrunkDescription): number {
  if (trunk.depths.length !== 4) {
    throw new GmtlError(
      'model/layers',
      `layer decay: a ConvNeXt has 4 stages, this one has ${trunk.depths.length} (depths ${trunk.depths.join(', ')})`,
    );
  }
  return 3 + Math.ceil(trunk.depths[2] / GROUP);
}

/**
 * The layer of a parameter, 0 (the stem) to `layerCount(trunk) - 1` (whatever is not in the trunk).
 * @param name as the network names it, with the trunk's prefix.
 * @param trunk from `describeTrunk` of the same network.
 */
export function layerIdOf(name: string, trunk: TrunkDescription): number {
  const heads = layerCount(trunk) - 1;
  if (!name.startsWith(trunk.prefix)) return heads;
  const own = name.slice(trunk.prefix.length);
  if (trunk.family === 'resnet') {
    if (/^(conv1|bn1)\./.test(own)) return 0;
    const layer = /^layer(\d+)\./.exec(own);
    return layer ? Number(layer[1]) : heads;
  }
  if (/^stem\./.test(own)) return 0;
  const place = /^stages\.(\d+)\.(?:downsample|blocks\.(\d+))\./.exec(own);
  if (!place) return heads;
  const stage = Number(place[1]);
  const block = Number(place[2] ?? 0);
  if (stage < 2) return stage + 1;
  return stage === 2 ? 3 + Math.floor(block / GROUP) : lastConvNeXtLayer(trunk);
}

/**
 * The factor of a parameter's learning rate: decay ** (layers above its own). 1 for the heads.
 * @param decay above 0, at most 1; 1 treats all alike. ConvNeXt is fine-tuned with 0.7 to 0.8.
 * @throws GmtlError `model/layers` for another decay.
 */
export function layerScaleOf(name: string, trunk: TrunkDescription, decay: number): number {
  if (!(decay > 0 && decay <= 1)) {
    throw new GmtlError('model/layers', `layer decay: ${decay} is not within (0, 1]; 1 turns it off`);
  }
  return decay ** (layerCount(trunk) - 1 - layerIdOf(name, trunk));
}
