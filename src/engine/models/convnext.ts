/** ConvNeXt (Liu et al. 2022), its named variants, parameters named as in timm. */
import { recompute } from '../autograd/recompute.ts';
import type { Tensor } from '../autograd/tensor.ts';
import { constant, truncatedNormal, zeros } from '../nn/init.ts';
import * as F from '../nn/functional.ts';
import { Sequential } from '../nn/container.ts';
import { Conv2d, DepthwiseConv2d } from '../nn/convolution.ts';
import { Layer } from '../nn/layer.ts';
import { Linear } from '../nn/linear.ts';
import { LayerNorm } from '../nn/normalization.ts';
import { block, Module } from '../nn/module.ts';
import { Parameter } from '../nn/parameter.ts';
import { engine } from '../autograd/currentEngine.ts';
import type { RandomSource } from '../nn/randomSource.ts';
import { checkAttributes, requireOptions } from '../arguments.ts';

/** What makes one variant of ConvNeXt (Liu et al. 2022, "A ConvNet for the 2020s"; facebookresearch/ConvNeXt, timm). */
export interface ConvNeXtConfig {
  /** Blocks in each stage. */
  readonly depths: readonly number[];
  /** Channels of each stage. */
  readonly dims: readonly number[];
  /** Stored as 1x1 convolutions in files (timm's atto to nano): the same elements under another shape. */
  readonly convMlp?: boolean;
}

/** timm's variants by name, and `demo`: small enough for a software adapter. */
export const CONVNEXT_VARIANTS = {
  demo: { depths: [1, 1, 2, 1], dims: [24, 48, 96, 192] },
  atto: { depths: [2, 2, 6, 2], dims: [40, 80, 160, 320], convMlp: true },
  femto: { depths: [2, 2, 6, 2], dims: [48, 96, 192, 384], convMlp: true },
  pico: { depths: [2, 2, 6, 2], dims: [64, 128, 256, 512], convMlp: true },
  nano: { depths: [2, 2, 8, 2], dims: [80, 160, 320, 640], convMlp: true },
  tiny: { depths: [3, 3, 9, 3], dims: [96, 192, 384, 768] },
  small: { depths: [3, 3, 27, 3], dims: [96, 192, 384, 768] },
  base: { depths: [3, 3, 27, 3], dims: [128, 256, 512, 1024] },
} as const satisfies Record<string, ConvNeXtConfig>;

/** The names of {@link CONVNEXT_VARIANTS}. */
export type ConvNeXtVariant = keyof typeof CONVNEXT_VARIANTS;

export interface ConvNeXtOptions extends ConvNeXtConfig {
  /** Input channels. Default 3. */
  readonly inChannels?: number;
  /** Outputs of the classifier; 0 leaves it out (a trunk). Default 1000. */
  readonly classes?: number;
  /** Whether the trunk has its last LayerNorm `head.norm` (over pooled features). Default true. */
  readonly headNorm?: boolean;
  /** Largest stochastic depth rate; block i of n has rate * i / (n - 1). Default 0. */
  readonly dropPathRate?: number;
  /** Initial layer scale. Default 1e-6. */
  readonly layerScaleInit?: number;
  /** Randomness of drop path; needed where the rate is above 0. */
  readonly random?: RandomSource;
  /** Whether blocks keep only their input until backward, which runs them once more. Default false. */
  readonly recompute?: boolean;
}

const OPTIONS = {
  depths: 'integers',
  dims: 'integers',
  convMlp: 'flag?',
  inChannels: 'extent?',
  classes: 'count?',
  headNorm: 'flag?',
  dropPathRate: 'number?',
  layerScaleInit: 'number?',
  random: 'record?',
  recompute: 'flag?',
} as const;

const EPS = 1e-6;
const init = { weight: truncatedNormal(0.02), bias: zeros };

/** The parameters of the two pointwise layers; `F.residualMlp` runs them together with what follows. */
class Mlp extends Module {
  readonly fc1: Linear;
  readonly fc2: Linear;

  constructor(channels: number, asConvolution: boolean) {
    super();
    this.fc1 = new Linear(channels, 4 * channels, { init, asConvolution });
    this.fc2 = new Linear(4 * channels, channels, { init, asConvolution });
  }
}

/** x + dropPath(gamma * mlp(norm(conv_dw(x)))), mlp = fc2 after gelu after fc1. */
export class ConvNeXtBlock extends Layer {
  readonly conv_dw: DepthwiseConv2d;
  readonly norm: LayerNorm;
  readonly mlp: Mlp;
  readonly gamma: Parameter;
  readonly #dropPath: ((samples: number) => Tensor) | null;
  readonly #recompute: boolean;

  constructor(
    channels: number,
    options: {
      convMlp: boolean;
      layerScaleInit: number;
      dropPath: number;
      random?: RandomSource;
      recompute?: boolean;
    },
  ) {
    super();
    this.conv_dw = new DepthwiseConv2d(channels, 7, { init });
    this.norm = new LayerNorm(channels, EPS);
    this.mlp = new Mlp(channels, options.convMlp);
    this.gamma = new Parameter([channels], constant(options.layerScaleInit)([channels], engine().generator));
    this.#dropPath = options.dropPath > 0 && options.random ? options.random.dropPathFactor(options.dropPath) : null;
    this.#recompute = options.recompute ?? false;
  }

  override forward(x: Tensor): Tensor {
    const body = (input: Tensor): Tensor => {
      const normed = this.norm.forward(this.conv_dw.forward(input));
      const factor = this.training && this.#dropPath ? this.#dropPath(input.shape[0]) : null;
      const { fc1, fc2 } = this.mlp;
      return F.residualMlp(input, normed, [fc1, fc2], this.gamma, factor);
    };
    return this.#recompute ? recompute(body, [x]) : block(x, () => body(x));
  }
}

/** [LayerNorm, Conv 2x2 stride 2] (not in the first stage), then blocks. */
export class ConvNeXtStage extends Layer {
  readonly downsample: Sequential | null;
  readonly blocks: readonly ConvNeXtBlock[];

  constructor(inChannels: number, outChannels: number, first: boolean, blocks: readonly ConvNeXtBlock[]) {
    super();
    this.downsample = first
      ? null
      : new Sequential(new LayerNorm(inChannels, EPS), new Conv2d(inChannels, outChannels, 2, { stride: 2, init }));
    this.blocks = blocks;
  }

  override forward(x: Tensor): Tensor {
    const { downsample } = this;
    const start = downsample ? block(x, () => downsample.forward(x)) : x;
    return this.blocks.reduce((value, each) => each.forward(value), start);
  }
}

class Head extends Module {
  readonly norm: LayerNorm | null;
  readonly fc: Linear | null;

  constructor(channels: number, classes: number, norm: boolean) {
    super();
    this.norm = norm ? new LayerNorm(channels, EPS) : null;
    this.fc = classes > 0 ? new Linear(channels, classes, { init }) : null;
  }
}

/** ConvNeXt under timm's parameter names (`stem.0`, `stages.i.blocks.j.conv_dw`, …, `head.norm`, `head.fc`). */
export class ConvNeXt extends Module {
  readonly stem: Sequential;
  readonly stages: readonly ConvNeXtStage[];
  readonly head: Head;
  /** Channels of each stage's output; strides are 4, 8, 16, 32. */
  readonly channels: readonly number[];

  constructor(options: ConvNeXtOptions) {
    super();
    checkAttributes('ConvNeXt', OPTIONS, options);
    const { depths, dims, convMlp = false, inChannels = 3, layerScaleInit = 1e-6, dropPathRate = 0 } = options;
    const { random, recompute: recomputes } = options;
    this.channels = dims;
    this.stem = new Sequential(new Conv2d(inChannels, dims[0], 4, { stride: 4, init }), new LayerNorm(dims[0], EPS));
    const total = depths.reduce((sum, depth) => sum + depth, 0);
    let index = 0;
    this.stages = depths.map((depth, stage) => {
      const blocks = Array.from({ length: depth }, () => {
        const dropPath = total > 1 ? (dropPathRate * index++) / (total - 1) : 0;
        const block = { convMlp, layerScaleInit, dropPath, random, recompute: recomputes };
        return new ConvNeXtBlock(dims[stage], block);
      });
      return new ConvNeXtStage(dims[Math.max(0, stage - 1)], dims[stage], stage === 0, blocks);
    });
    this.head = new Head(dims[dims.length - 1], options.classes ?? 1000, options.headNorm ?? true);
  }

  /** Feature maps after each stage, finest first: x [N, H, W, 3] → strides 4, 8, 16, 32. H and W must be multiples of 32. */
  forwardFeatures(x: Tensor): Tensor[] {
    const features: Tensor[] = [];
    let current = block(x, () => this.stem.forward(x));
    for (const stage of this.stages) {
      current = stage.forward(current);
      features.push(current);
    }
    return features;
  }

  /** Global average of a feature map, normalized by `head.norm` where there is one: [N, H, W, C] → [N, C]. */
  pool(features: Tensor): Tensor {
    const { norm } = this.head;
    return block(features, () => {
      const pooled = features.mean([1, 2]);
      return norm ? norm.forward(pooled) : pooled;
    });
  }

  /**
   * x [N, H, W, inChannels], normalized, H and W of 32 or more (only multiples of 32 are seen to the edge) → logits [N, classes], or features [N, C]
   * where `classes` is 0.
   */
  forward(x: Tensor): Tensor {
    return block(x, () => {
      const pooled = this.pool(this.forwardFeatures(x)[this.stages.length - 1]);
      return this.head.fc ? this.head.fc.forward(pooled) : pooled;
    });
  }
}

/**
 * A ConvNeXt (Liu et al. 2022) by the name of its variant, with random weights of the current engine; `options` change its numbers.
 * @throws GmtlError `ops/attribute` for a name or an option that there is not.
 */
export function convnext(variant: ConvNeXtVariant, options: Partial<ConvNeXtOptions> = {}): ConvNeXt {
  checkAttributes('convnext', { variant: Object.keys(CONVNEXT_VARIANTS) }, { variant });
  requireOptions('convnext', options);
  return new ConvNeXt({ ...CONVNEXT_VARIANTS[variant], ...options });
}
