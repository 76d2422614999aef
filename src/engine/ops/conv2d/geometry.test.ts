/** Tier: no adapter. Geometry of convolutions: folded forms, transposed sizes, and what the errors say. */
import { describe, expect, it } from 'vitest';
import { transposedSize } from '../convTranspose2d/program.ts';
import { referenceConvTranspose2d } from '../convTranspose2d/reference.ts';
import type { ConvolutionAttributes } from './attributes.ts';
import { convolutionGeometry, type ConvolutionGeometry, folded } from './geometry.ts';
import { conv2dProgram, gradInputProgram, transposedGeometry } from './program.ts';
import { forEachProduct, referenceForward } from './reference.ts';

const geometryOf = (x: readonly number[], weight: readonly number[], attributes: ConvolutionAttributes = {}) =>
  convolutionGeometry('conv2d', x, weight, attributes);

describe('convolution references', () => {
  it('give the numbers of a convolution done by hand', () => {
    // 1 2 3      window  1 2      stride 1, no padding: 1*1 + 2*2 + 3*4 + 4*5 = 37, ...
    // 4 5 6              3 4
    // 7 8 9
    const geometry = geometryOf([1, 3, 3, 1], [2, 2, 1, 1]);
    const x = Float64Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9);
    const weight = Float64Array.of(1, 2, 3, 4);
    expect([...referenceForward(geometry, x, weight, Float64Array.of(-40), true)]).toEqual([0, 7, 27, 37]);
  });

  it('spread each pixel into its own 2x2 block in a transposed convolution of stride 2', () => {
    const geometry = geometryOf([1, 2, 4, 1], [2, 2, 1, 1], { stride: [2, 2] });
    const weight = Float64Array.of(1, 2, 3, 4);
    const out = referenceConvTranspose2d(geometry, Float64Array.of(1, 10), weight, Float64Array.of(0.5), false);
    expect([...out]).toEqual([1.5, 2.5, 10.5, 20.5, 3.5, 4.5, 30.5, 40.5]);
  });

  it('keep the channels of groups apart, in order', () => {
    const geometry = geometryOf([1, 1, 1, 4], [1, 1, 2, 2], { groups: 2 });
    // Output 0 sees inputs 0 and 1, output 1 inputs 2 and 3; weight is [in, out].
    const out = referenceForward(
      geometry,
      Float64Array.of(1, 2, 3, 4),
      Float64Array.of(1, 10, 100, 1000),
      undefined,
      false,
    );
    expect([...out]).toEqual([1 + 200, 30 + 4000]);
  });
});

describe('folded', () => {
  const products = (geometry: ConvolutionGeometry): string[] => {
    const list: string[] = [];
    forEachProduct(geometry, (i, w, o) => list.push(`${i} ${w} ${o}`));
    return list.sort();
  };

  it.each<[string, readonly number[], readonly number[], ConvolutionAttributes]>([
    ['1x1', [2, 3, 5, 2], [1, 1, 2, 3], {}],
    ['patches', [2, 4, 6, 3], [2, 2, 3, 2], { stride: [2, 2] }],
    ['patches with rows left over', [1, 5, 4, 2], [2, 2, 2, 2], { stride: [2, 2] }],
    ['wide patches', [2, 3, 6, 1], [1, 3, 1, 2], { stride: [1, 3] }],
    ['padded above only', [1, 4, 4, 2], [2, 2, 2, 2], { stride: [2, 2], padding: [1, 0] }],
  ])('multiplies the same elements: %s', (_name, x, weight, attributes) => {
    const geometry = geometryOf(x, weight, attributes);
    const fold = folded(geometry);
    expect(fold).not.toEqual(geometry);
    expect(products(fold)).toEqual(products(geometry));
  });

  it.each<[string, readonly number[], readonly number[], ConvolutionAttributes]>([
    ['columns left over', [1, 4, 5, 2], [2, 2, 2, 2], { stride: [2, 2] }],
    ['padding at the sides', [1, 4, 4, 2], [2, 2, 2, 2], { stride: [2, 2], padding: [0, 1] }],
    ['groups', [1, 2, 2, 4], [1, 1, 2, 4], { groups: 2 }],
    ['overlap', [1, 4, 4, 2], [3, 3, 2, 2], { stride: [2, 2] }],
  ])('leaves alone what cannot be folded: %s', (_name, x, weight, attributes) => {
    const geometry = geometryOf(x, weight, attributes);
    expect(folded(geometry)).toEqual(geometry);
  });
});

describe('shape errors name the op, the shapes and what would fit', () => {
  const f32 = (shape: readonly number[]) => ({ shape, dtype: 'f32' }) as const;

  it.each<[string, () => unknown, RegExp]>([
    [
      'channels',
      () => geometryOf([1, 4, 4, 3], [3, 3, 2, 8]),
      /conv2d: input \[1, 4, 4, 3\] and weight \[3, 3, 2, 8\]/,
    ],
    ['groups', () => geometryOf([1, 4, 4, 4], [3, 3, 2, 5], { groups: 2 }), /2 group\(s\)/],
    ['rank', () => geometryOf([4, 4, 3], [3, 3, 3, 8]), /must be \[N, H, W, C\]/],
    ['window', () => geometryOf([1, 2, 4, 3], [3, 3, 3, 8]), /window of 3 .* does not fit an input extent of 2/],
    ['stride', () => geometryOf([1, 4, 4, 3], [3, 3, 3, 8], { stride: [0, 1] }), /stride \[0, 1\]/],
    [
      'bias',
      () => conv2dProgram.infer([f32([1, 4, 4, 3]), f32([3, 3, 3, 8]), f32([7])], {}),
      /bias of shape \[7\] for 8 output channels/,
    ],
    [
      'gradient',
      () => gradInputProgram.infer([f32([1, 4, 4, 8]), f32([3, 3, 3, 8])], { inputSize: [4, 4] }),
      /conv2d\.gradInput: \[1, 4, 4, 8\] is not what/,
    ],
  ])('%s', (_name, run, message) => {
    expect(run).toThrow(message);
  });
});

it('the transposed size is undone by the convolution, whatever the stride leaves open', () => {
  for (const outputPadding of [0, 1, 2] as const) {
    const attributes = { stride: [3, 3], padding: [1, 1], outputPadding: [outputPadding, 0] } as const;
    const size = transposedSize([1, 4, 5, 2], [3, 3, 6, 2], attributes);
    expect(size).toEqual([10 + outputPadding, 13]);
    const geometry = transposedGeometry(
      'convTranspose2d',
      { shape: [1, 4, 5, 2] },
      { shape: [3, 3, 6, 2] },
      size,
      attributes,
    );
    expect(geometry.output).toEqual([4, 5]);
  }
});
