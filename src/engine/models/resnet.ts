/** ResNet-18, ResNet-34 and ResNet-50 (He et al. 2016) as classifiers and encoders, parameters named as in torchvision. */
import type { Tensor } from '../autograd/tensor.ts';
import * as F from '../nn/functional.ts';
import { type Initializer, kaimingNormal, zeros } from '../nn/init.ts';
import { Sequential } from '../nn/container.ts';
import { Conv2d } from '../nn/convolution.ts';
import { Layer } from '../nn/layer.ts';
import { Linear } from '../nn/linear.ts';
import { BatchNorm2d } from '../nn/normalization.ts';
import { block, Module } from '../nn/module.ts';
import { checkAttributes, requireOptions } from '../arguments.ts';

/** What makes one variant of ResNet (He et al. 2016, "Deep Residual Learning"; torchvision). */
export interface ResNetConfig {
  /** Blocks of each of the four stages. */
  readonly depths: readonly [number, number, number, number];
  /** Channels of each stage's 3x3 convolutions; the stem has the first stage's. Bottleneck blocks give four times as many. */
  readonly widths: readonly [number, number, number, number];
  /** Two 3x3 convolutions, or 1x1, 3x3 and 1x1. Default `basic`. */
  readonly block?: 'basic' | 'bottleneck';
}

/** torchvision's variants by name. */
export const RESNET_VARIANTS = {
  resnet18: { depths: [2, 2, 2, 2], widths: [64, 128, 256, 512] },
  resnet34: { depths: [3, 4, 6, 3], widths: [64, 128, 256, 512] },
  resnet50: { depths: [3, 4, 6, 3], widths: [64, 128, 256, 512], block: 'bottleneck' },
} as const satisfies Record<string, ResNetConfig>;

/** The names of {@link RESNET_VARIANTS}. */
export type ResNetVariant = keyof typeof RESNET_VARIANTS;

/** A variant's numbers. @throws GmtlError `ops/attribute` for a name that is none. */
export function resnetConfig(variant: ResNetVariant): ResNetConfig {
  checkAttributes('resnet', { variant: Object.keys(RESNET_VARIANTS) }, { variant });
  return RESNET_VARIANTS[variant];
}

export interface ResNetOptions extends ResNetConfig {
  /** Input channels. Default 3. */
  readonly inChannels?: number;
  /** Outputs of the classifier `fc`; 0 leaves it out (an encoder). Default 1000. */
  readonly classes?: number;
  /** Initializer of the convolutions by their fan-out. Default: torchvision's kaiming_normal_(mode='fan_out'). */
  readonly initConvolution?: (fanOut: number) => Initializer;
}

const OPTIONS = {
  depths: 'integers',
  widths: 'integers',
  block: ['basic', 'bottleneck'],
  inChannels: 'extent?',
  classes: 'count?',
  initConvolution: 'anything?',
} as const;

const BLOCK = { inChannels: 'extent', width: 'extent', stride: 'extent' } as const;

type Initialize = (fanOut: number) => Initializer;

/** A convolution without bias, padded to keep the size at stride 1. */
function convolution(
  inChannels: number,
  outChannels: number,
  kernelSize: number,
  stride: number,
  init: Initialize,
): Conv2d {
  return new Conv2d(inChannels, outChannels, kernelSize, {
    stride,
    padding: (kernelSize - 1) / 2,
    bias: false,
    init: { weight: init(outChannels * kernelSize ** 2), bias: zeros },
  });
}

/** The projection of a block's input where size or channels change; null where they do not. */
function projection(inChannels: number, outChannels: number, stride: number, init: Initialize): Sequential | null {
  if (stride === 1 && inChannels === outChannels) return null;
  return new Sequential(convolution(inChannels, outChannels, 1, stride, init), new BatchNorm2d(outChannels));
}

/** relu(bn2(conv2(relu(bn1(conv1(x))))) + x), x projected by `downsample` where size or channels change. */
export class BasicBlock extends Layer {
  /** Channels of the result over those of the 3x3 convolutions. */
  static readonly expansion = 1;
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly conv2: Conv2d;
  readonly bn2: BatchNorm2d;
  readonly downsample: Sequential | null;

  constructor(inChannels: number, outChannels: number, stride = 1, init: Initialize = kaimingNormal) {
    checkAttributes('BasicBlock', BLOCK, { inChannels, width: outChannels, stride });
    super();
    this.conv1 = convolution(inChannels, outChannels, 3, stride, init);
    this.bn1 = new BatchNorm2d(outChannels, { activation: 'relu' });
    this.conv2 = convolution(outChannels, outChannels, 3, 1, init);
    this.bn2 = new BatchNorm2d(outChannels, { activation: 'relu' });
    this.downsample = projection(inChannels, outChannels, stride, init);
  }

  override forward(x: Tensor): Tensor {
    return block(x, () => {
      const inner = this.bn1.forward(this.conv1.forward(x));
      const branch = this.conv2.forward(inner);
      return this.bn2.forward(branch, this.downsample ? this.downsample.forward(x) : x);
    });
  }
}

/**
 * relu(bn3(conv3(relu(bn2(conv2(relu(bn1(conv1(x)))))))) + x): 1x1 to `width` channels, 3x3, 1x1 to four times as many. The 3x3 convolution
 * takes the stride, as torchvision's does (ResNet v1.5).
 */
export class Bottleneck extends Layer {
  static readonly expansion = 4;
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly conv2: Conv2d;
  readonly bn2: BatchNorm2d;
  readonly conv3: Conv2d;
  readonly bn3: BatchNorm2d;
  readonly downsample: Sequential | null;

  constructor(inChannels: number, width: number, stride = 1, init: Initialize = kaimingNormal) {
    super();
    checkAttributes('Bottleneck', BLOCK, { inChannels, width, stride });
    const outChannels = width * Bottleneck.expansion;
    this.conv1 = convolution(inChannels, width, 1, 1, init);
    this.bn1 = new BatchNorm2d(width, { activation: 'relu' });
    this.conv2 = convolution(width, width, 3, stride, init);
    this.bn2 = new BatchNorm2d(width, { activation: 'relu' });
    this.conv3 = convolution(width, outChannels, 1, 1, init);
    this.bn3 = new BatchNorm2d(outChannels, { activation: 'relu' });
    this.downsample = projection(inChannels, outChannels, stride, init);
  }

  override forward(x: Tensor): Tensor {
    return block(x, () => {
      const narrow = this.bn1.forward(this.conv1.forward(x));
      const inner = this.bn2.forward(this.conv2.forward(narrow));
      const branch = this.conv3.forward(inner);
      return this.bn3.forward(branch, this.downsample ? this.downsample.forward(x) : x);
    });
  }
}

/** ResNet-18 / 34 / 50 under torchvision's parameter names (`conv1`, `bn1`, `layer1.0.conv1`, …, `fc`). */
export class ResNet extends Module {
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly layer1: Sequential;
  readonly layer2: Sequential;
  readonly layer3: Sequential;
  readonly layer4: Sequential;
  readonly fc: Linear | null;
  /** Channels of `forwardFeatures`: strides 2, 4, 8, 16, 32. */
  readonly channels: readonly number[];

  constructor(options: ResNetOptions) {
    super();
    checkAttributes('ResNet', OPTIONS, options);
    const { depths, widths, inChannels = 3, classes = 1000, initConvolution = kaimingNormal } = options;
    const Block = options.block === 'bottleneck' ? Bottleneck : BasicBlock;
    const channels = widths.map((width) => width * Block.expansion);
    this.channels = [widths[0], ...channels];
    this.conv1 = convolution(inChannels, widths[0], 7, 2, initConvolution);
    this.bn1 = new BatchNorm2d(widths[0], { activation: 'relu' });
    const stage = (index: number): Sequential => {
      const blocks = Array.from({ length: depths[index] }, (_, position) => {
        const first = position === 0;
        const from = !first ? channels[index] : index > 0 ? channels[index - 1] : widths[0];
        return new Block(from, widths[index], first && index > 0 ? 2 : 1, initConvolution);
      });
      return new Sequential(...blocks);
    };
    this.layer1 = stage(0);
    this.layer2 = stage(1);
    this.layer3 = stage(2);
    this.layer4 = stage(3);
    this.fc = classes > 0 ? new Linear(channels[3], classes) : null;
  }

  /** Maps of the stem and the four stages, finest first: x [N, H, W, 3] → strides 2, 4, 8, 16, 32 (rounded up). */
  forwardFeatures(x: Tensor): Tensor[] {
    const stem = block(x, () => this.bn1.forward(this.conv1.forward(x)));
    const features = [stem];
    let current = F.maxPool2d(stem, { kernel: 3, stride: 2, padding: 1 });
    for (const layer of [this.layer1, this.layer2, this.layer3, this.layer4]) {
      current = layer.forward(current);
      features.push(current);
    }
    return features;
  }

  /**
   * x [N, H, W, inChannels], normalized → logits [N, classes], or features [N, C], the mean of the last map, without a classifier.
   * @throws GmtlError `tensor/shape` where x is not such a picture.
   */
  forward(x: Tensor): Tensor {
    return block(x, () => {
      const pooled = this.forwardFeatures(x)[4].mean([1, 2]);
      return this.fc ? this.fc.forward(pooled) : pooled;
    });
  }
}

/**
 * A ResNet (He et al. 2016) by the name of its variant, with random weights of the current engine; `options` change its numbers.
 * @throws GmtlError `ops/attribute` for a name or an option that there is not.
 */
export function resnet(variant: ResNetVariant, options: Partial<ResNetOptions> = {}): ResNet {
  requireOptions('resnet', options);
  return new ResNet({ ...resnetConfig(variant), ...options });
}
