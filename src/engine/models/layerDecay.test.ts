/** Tier: no adapter. The layers of facebookresearch/ConvNeXt: `get_num_layer_for_convnext`, and for tiny its detection code with num_max_layer = 6. */
import { describe, expect, it } from 'vitest';
import { layerCount, layerIdOf, layerScaleOf } from './layerDecay.ts';
import { describeTrunk, type TrunkDescription } from './pretrained/trunk.ts';

/** As much of a ConvNeXt's names and shapes as `describeTrunk` reads. */
function convnext(depths: readonly number[], prefix = ''): TrunkDescription {
  const names = depths.flatMap((depth, stage) =>
    Array.from({ length: depth }, (_, block) => `${prefix}stages.${stage}.blocks.${block}.conv_dw.weight`),
  );
  const trunk = describeTrunk(new Map(names.map((name) => [name, [8, 1, 7, 7]])));
  if (!trunk) throw new Error('no trunk');
  return trunk;
}

/** The layer that each of the original repository's names falls in, by its function's own cases. */
function published(stage: number, block: number | 'downsample', lastLayer: number): number {
  if (block === 'downsample') return [0, 2, 3, lastLayer][stage];
  return [1, 2, 3 + Math.floor(block / 3), lastLayer][stage];
}

describe('layer-wise decay of ConvNeXt', () => {
  it.each([
    ['small and base', [3, 3, 27, 3], 12],
    ['tiny', [3, 3, 9, 3], 6],
  ] as const)('groups %s as published', (_, depths, lastLayer) => {
    const trunk = convnext(depths, 'trunk.');
    expect(layerCount(trunk)).toBe(lastLayer + 2);
    const seen = new Set<number>();
    depths.forEach((depth, stage) => {
      if (stage > 0) {
        const id = layerIdOf(`trunk.stages.${stage}.downsample.1.weight`, trunk);
        expect(id).toBe(published(stage, 'downsample', lastLayer));
      }
      for (let block = 0; block < depth; block++) {
        const id = layerIdOf(`trunk.stages.${stage}.blocks.${block}.mlp.fc1.weight`, trunk);
        expect(id, `${stage}.${block}`).toBe(published(stage, block, lastLayer));
        seen.add(id);
      }
    });
    expect([...seen]).toEqual(Array.from({ length: lastLayer }, (_, index) => index + 1));
    expect(layerIdOf('trunk.stem.0.weight', trunk)).toBe(published(0, 'downsample', lastLayer));
    // The last norm counts as a head there, and so do the parts that are only here.
    for (const name of [
      'trunk.head.norm.weight',
      'trunk.head.fc.bias',
      'gate.0.weight',
      'decoder.blocks.0.up.weight',
    ]) {
      expect(layerIdOf(name, trunk), name).toBe(lastLayer + 1);
    }
  });

  it('reads the last groups of small: blocks 24 to 26 are layer 11, stage 3 is layer 12', () => {
    const small = convnext([3, 3, 27, 3]);
    const ids = [23, 24, 26].map((block) => layerIdOf(`stages.2.blocks.${block}.gamma`, small));
    expect(ids).toEqual([10, 11, 11]);
    expect(layerIdOf('stages.3.downsample.0.weight', small)).toBe(12);
  });

  it('gives the variants without a published grouping theirs, without gaps', () => {
    const ids = (depths: readonly number[]): number[] => {
      const trunk = convnext(depths);
      const blocks = Array.from({ length: depths[2] }, (_, block) =>
        layerIdOf(`stages.2.blocks.${block}.gamma`, trunk),
      );
      return [...blocks, layerIdOf('stages.3.blocks.0.gamma', trunk), layerCount(trunk)];
    };
    expect(ids([2, 2, 6, 2])).toEqual([3, 3, 3, 4, 4, 4, 5, 7]);
    expect(ids([2, 2, 8, 2])).toEqual([3, 3, 3, 4, 4, 4, 5, 5, 6, 8]);
    expect(ids([1, 1, 2, 1])).toEqual([3, 3, 4, 6]);
  });

  it('scales the learning rate by decay to the power of the layers above, as main.py does', () => {
    const base = convnext([3, 3, 27, 3]);
    expect(layerScaleOf('head.fc.weight', base, 0.8)).toBe(1);
    expect(layerScaleOf('stages.3.blocks.2.gamma', base, 0.8)).toBeCloseTo(0.8, 12);
    expect(layerScaleOf('stem.0.weight', base, 0.8)).toBeCloseTo(0.8 ** 13, 12);
    expect(layerScaleOf('stem.0.weight', base, 1)).toBe(1);
    for (const decay of [0, -1, 1.1, Number.NaN])
      expect(() => layerScaleOf('a', base, decay)).toThrow(/within \(0, 1\]/);
  });

  it('refuses a ConvNeXt of other than four stages', () => {
    expect(() => layerCount(convnext([1, 1, 1]))).toThrow('this one has 3');
  });
});

describe('layer-wise decay of ResNet', () => {
  it('goes by stage, heads last', () => {
    const trunk = describeTrunk(
      new Map(
        [1, 2, 3, 4].flatMap((layer) => [
          [`encoder.layer${layer}.0.conv1.weight`, [8, 8, 3, 3]],
          [`encoder.layer${layer}.0.conv2.weight`, [8, 8, 3, 3]],
        ]),
      ),
    );
    if (!trunk) throw new Error('no trunk');
    expect(layerCount(trunk)).toBe(6);
    const id = (name: string): number => layerIdOf(name, trunk);
    expect(['encoder.conv1.weight', 'encoder.bn1.bias'].map(id)).toEqual([0, 0]);
    expect(['encoder.layer1.0.conv1.weight', 'encoder.layer2.0.downsample.0.weight'].map(id)).toEqual([1, 2]);
    expect(['encoder.layer4.1.bn2.weight', 'decoder.blocks.0.conv1.0.weight', 'router.3.bias'].map(id)).toEqual([
      4, 5, 5,
    ]);
    // The decoder's own "conv1" is not a stem: the prefix decides.
    expect(id('conv1.weight')).toBe(5);
  });
});
