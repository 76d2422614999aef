/** The mask decoder of the ConvNeXt-gated network: upsampling blocks with optional skip connections. */
import type { Tensor } from '../autograd/tensor.ts';
import * as F from '../nn/functional.ts';
import { constant, kaimingNormal, zeros } from '../nn/init.ts';
import { Conv2d, ConvTranspose2d } from '../nn/convolution.ts';
import type { Layer } from '../nn/layer.ts';
import { BatchNorm2d, LayerNorm } from '../nn/normalization.ts';
import { block, Module } from '../nn/module.ts';
import type { RandomSource } from '../nn/randomSource.ts';

export type DecoderNorm = 'batch' | 'layer' | 'none';

export interface DecoderOptions {
  /** Channels of the four trunk stages, finest first. */
  readonly features: readonly number[];
  /** Channels of the four decoder blocks, coarsest first. */
  readonly channels: readonly number[];
  /** Output maps. */
  readonly classes: number;
  /** Whether each block concatenates the trunk's features of its scale. */
  readonly skips: boolean;
  /** What follows each block's convolution: statistics of the batch, of each pixel's channels, or nothing (as published). */
  readonly norm: DecoderNorm;
  /** Channel dropout after each block. */
  readonly dropout: number;
  /** Mean probability the untrained head predicts: sets its bias, so that rare lesions do not start at 0.5 everywhere. */
  readonly prior: number;
  readonly random: RandomSource;
}

function makeNorm(norm: DecoderNorm, channels: number): BatchNorm2d | LayerNorm | null {
  switch (norm) {
    case 'batch':
      return new BatchNorm2d(channels, { activation: 'relu' });
    case 'layer':
      return new LayerNorm(channels, 1e-6);
    case 'none':
      return null;
    default:
      return norm satisfies never;
  }
}

/** ConvTranspose 2x2 stride 2 - ReLU - [concatenate skip] - Conv 3x3 - [norm] - ReLU - Dropout2d. */
class DecoderBlock extends Module {
  readonly up: ConvTranspose2d;
  readonly conv: Conv2d;
  readonly norm: BatchNorm2d | LayerNorm | null;
  readonly #dropout: ((x: Tensor) => Tensor) | null;

  constructor(inChannels: number, skipChannels: number, outChannels: number, options: DecoderOptions) {
    super();
    const convolution = { weight: kaimingNormal(9 * (outChannels + skipChannels)), bias: zeros };
    // Each output pixel of the transposed convolution reads one tap: its fan-in is the number of input channels.
    this.up = new ConvTranspose2d(inChannels, outChannels, 2, {
      stride: 2,
      activation: 'relu',
      init: { weight: kaimingNormal(inChannels), bias: zeros },
    });
    this.conv = new Conv2d(outChannels + skipChannels, outChannels, 3, {
      padding: 1,
      activation: options.norm === 'none' ? 'relu' : 'none',
      init: convolution,
    });
    this.norm = makeNorm(options.norm, outChannels);
    this.#dropout = options.dropout > 0 ? options.random.dropout2d(options.dropout) : null;
  }

  forward(x: Tensor, skip: Tensor | null): Tensor {
    return block(x, () => {
      const upsampled = this.up.forward(x);
      let result = this.conv.forward(skip ? F.concat([upsampled, skip], -1) : upsampled);
      if (this.norm) result = this.norm.forward(result);
      if (this.norm instanceof LayerNorm) result = result.relu();
      return this.training && this.#dropout ? this.#dropout(result) : result;
    });
  }
}

/**
 * Four upsampling blocks from stride 32 to stride 2, a 1x1 convolution and a bilinear step to full size: the segmentation
 * expert of github.com/manish33scss/MultiClassModel_idrid, with U-Net skip connections (Ronneberger et al. 2015) as an option.
 */
export class Decoder extends Module {
  readonly blocks: readonly DecoderBlock[];
  readonly head: Layer;
  readonly #skips: boolean;

  constructor(options: DecoderOptions) {
    super();
    const { features, channels, skips } = options;
    this.#skips = skips;
    const coarse = [...features].reverse();
    this.blocks = channels.map((outChannels, index) => {
      const inChannels = index === 0 ? coarse[0] : channels[index - 1];
      return new DecoderBlock(inChannels, skips ? (coarse[index + 1] ?? 0) : 0, outChannels, options);
    });
    const last = channels[channels.length - 1];
    this.head = new Conv2d(last, options.classes, 1, {
      init: { weight: kaimingNormal(last), bias: constant(Math.log(options.prior / (1 - options.prior))) },
    });
  }

  /** Trunk features, finest first → logits [N, height, width, classes]. */
  forward(features: readonly Tensor[], height: number, width: number): Tensor {
    const coarse = [...features].reverse();
    return coarse[0].engine.scope(() => {
      const decoded = this.blocks.reduce(
        (x, each, index) => each.forward(x, this.#skips ? (coarse[index + 1] ?? null) : null),
        coarse[0],
      );
      return F.upsampleBilinear2d(this.head.forward(decoded).cast('f32'), [height, width]);
    });
  }
}
