/** The U-Net decoder of segmentation_models_pytorch, under its names. */
import type { Tensor } from '../autograd/tensor.ts';
import { GmtlError } from '../errors.ts';
import * as F from '../nn/functional.ts';
import { kaimingUniform, type Initializer, xavierUniform, zeros } from '../nn/init.ts';
import { Lambda, Sequential } from '../nn/container.ts';
import { Conv2d } from '../nn/convolution.ts';
import type { Layer } from '../nn/layer.ts';
import { Linear } from '../nn/linear.ts';
import { BatchNorm2d } from '../nn/normalization.ts';
import { block, Module } from '../nn/module.ts';
import type { RandomSource } from '../nn/randomSource.ts';
import { checkAttributes } from '../arguments.ts';
import { ResNet, type ResNetConfig, type ResNetVariant, resnetConfig } from './resnet.ts';

type Initialize = (fanIn: number) => Initializer;

/** Conv 3x3 without bias, BatchNorm, ReLU: `0` and `1` have parameters, as in segmentation_models_pytorch's Conv2dReLU. */
function convBnRelu(inChannels: number, outChannels: number, init: Initialize): Sequential {
  const weight = init(9 * inChannels);
  return new Sequential(
    new Conv2d(inChannels, outChannels, 3, { padding: 1, bias: false, init: { weight, bias: zeros } }),
    new BatchNorm2d(outChannels, { activation: 'relu' }),
  );
}

/** Nearest upsampling to the skip's size, concatenation [upsampled, skip], then twice convolution, BatchNorm and ReLU. */
export class UnetDecoderBlock extends Module {
  readonly conv1: Sequential;
  readonly conv2: Sequential;

  constructor(inChannels: number, skipChannels: number, outChannels: number, init: Initialize = kaimingUniform) {
    super();
    this.conv1 = convBnRelu(inChannels + skipChannels, outChannels, init);
    this.conv2 = convBnRelu(outChannels, outChannels, init);
  }

  /** x [N, h, w, in] → [N, height, width, out]; skip [N, height, width, skipChannels], null where there is none. */
  forward(x: Tensor, skip: Tensor | null, size: F.Pair): Tensor {
    return block(x, () => {
      const upsampled = F.upsampleNearest2d(x, size);
      return this.conv2.forward(this.conv1.forward(skip ? F.concat([upsampled, skip], -1) : upsampled));
    });
  }
}

export interface UnetDecoderOptions {
  /** Channels of the encoder's maps, finest (stride 2) first. */
  readonly encoderChannels: readonly number[];
  /** Channels of the blocks, coarsest first, one per map of the encoder. Default [256, 128, 64, 32, 16]. */
  readonly channels?: readonly number[];
  /** Initializer of the convolutions by their fan-in. Default: kaiming_uniform_, as segmentation_models_pytorch. */
  readonly initConvolution?: Initialize;
}

const DECODER = { encoderChannels: 'integers', channels: 'integers?', initConvolution: 'call?' } as const;

const UNET_DECODER_CHANNELS: readonly number[] = [256, 128, 64, 32, 16];

/** The decoder of segmentation_models_pytorch's Unet (Ronneberger et al. 2015 with BatchNorm), under its names `blocks.{i}.conv{1,2}.{0,1}.*`. */
export class UnetDecoder extends Module {
  readonly blocks: readonly UnetDecoderBlock[];
  /** Channels of the result. */
  readonly outChannels: number;

  constructor(options: UnetDecoderOptions) {
    super();
    checkAttributes('UnetDecoder', DECODER, options);
    const { encoderChannels, channels = UNET_DECODER_CHANNELS, initConvolution } = options;
    if (channels.length !== encoderChannels.length) {
      throw new GmtlError(
        'nn/model',
        `U-Net decoder: ${channels.length} blocks [${channels}] for ${encoderChannels.length} encoder maps [${encoderChannels}]; give one number per map`,
      );
    }
    const coarse = [...encoderChannels].reverse();
    this.blocks = channels.map((outChannels, index) => {
      const inChannels = index === 0 ? coarse[0] : channels[index - 1];
      return new UnetDecoderBlock(inChannels, coarse[index + 1] ?? 0, outChannels, initConvolution);
    });
    this.outChannels = channels[channels.length - 1];
  }

  /**
   * Encoder maps [N, H / 2^k, W / 2^k, C], finest first → [N, height, width, outChannels], each step twice as large (nearest) and joined with the
   * encoder's map.
   */
  forward(features: readonly Tensor[], size: F.Pair): Tensor {
    const coarse = [...features].reverse();
    return this.blocks.reduce((x, each, index) => {
      const skip = coarse[index + 1] ?? null;
      return each.forward(x, skip, skip ? [skip.shape[1], skip.shape[2]] : size);
    }, coarse[0]);
  }
}

/** Options of {@link Unet}. */
export interface UnetOptions {
  /** A ResNet by name or by its numbers. */
  readonly encoder: ResNetVariant | ResNetConfig;
  readonly inChannels?: number;
  /** Output maps. */
  readonly classes: number;
  /** Default [256, 128, 64, 32, 16]. */
  readonly decoderChannels?: readonly number[];
  /** Outputs of an image classifier on the encoder's last map (`aux_params`). Default 0: none. */
  readonly imageClasses?: number;
  /** Dropout before the image classifier; needs `random`. Default 0. */
  readonly imageDropout?: number;
  readonly random?: RandomSource;
}

const OPTIONS = {
  encoder: 'anything',
  inChannels: 'extent?',
  classes: 'extent',
  decoderChannels: 'integers?',
  imageClasses: 'count?',
  imageDropout: 'probability?',
  random: 'record?',
} as const;

/** segmentation_models_pytorch's Unet on a ResNet: `encoder.*`, `decoder.*`, `segmentation_head.0.*`, `classification_head.3.*`. */
export class Unet extends Module {
  readonly encoder: ResNet;
  readonly decoder: UnetDecoder;
  readonly segmentation_head: Sequential;
  readonly classification_head: Sequential | null;

  constructor(options: UnetOptions) {
    super();
    checkAttributes('Unet', OPTIONS, options);
    const { encoder, inChannels, classes, imageClasses = 0, imageDropout = 0, random } = options;
    const config = typeof encoder === 'string' ? resnetConfig(encoder) : encoder;
    this.encoder = new ResNet({ ...config, inChannels, classes: 0 });
    this.decoder = new UnetDecoder({ encoderChannels: this.encoder.channels, channels: options.decoderChannels });
    const from = this.decoder.outChannels;
    const headInit = { weight: xavierUniform(9 * from, 9 * classes), bias: zeros };
    this.segmentation_head = new Sequential(new Conv2d(from, classes, 3, { padding: 1, init: headInit }));
    this.classification_head = imageClasses > 0 ? this.#imageHead(imageClasses, imageDropout, random) : null;
  }

  #imageHead(classes: number, p: number, random: RandomSource | undefined): Sequential {
    if (p > 0 && !random)
      throw new GmtlError('nn/model', `U-Net: an image dropout of ${p} needs a source of randomness`);
    const channels = this.encoder.channels[this.encoder.channels.length - 1];
    const drop: (x: Tensor) => Tensor = p > 0 && random ? random.dropout(p) : (x) => x;
    const pool: Layer = new Lambda((x) => x.mean([1, 2]));
    const dropout: Layer = new Lambda((x) => (this.training ? drop(x) : x));
    const linear = new Linear(channels, classes, { init: { weight: xavierUniform(channels, classes), bias: zeros } });
    return new Sequential(pool, new Lambda((x) => x), dropout, linear);
  }

  /** x [N, H, W, 3] of any size → mask logits [N, H, W, classes], and image logits [N, imageClasses] where there is such a head. */
  forward(x: Tensor): { readonly masks: Tensor; readonly image: Tensor | null } {
    return block(x, () => {
      const features = this.encoder.forwardFeatures(x);
      const decoded = this.decoder.forward(features, [x.shape[1], x.shape[2]]);
      const image = this.classification_head?.forward(features[features.length - 1]) ?? null;
      return { masks: this.segmentation_head.forward(decoded).cast('f32'), image };
    });
  }
}
