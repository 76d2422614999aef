/** Layers of convolutions. */
import type { Tensor } from '../autograd/tensor.ts';
import { checkAttributes } from '../arguments.ts';
import * as F from './functional.ts';
import { type Initializer, torchDefault } from './init.ts';
import { Layer } from './layer.ts';
import { parameter, requireGroups, WEIGHTS } from './layerParts.ts';
import type { Parameter } from './parameter.ts';

const WINDOW = { inChannels: 'extent', outChannels: 'extent', kernelSize: 'extents' } as const;

const CONVOLUTION = {
  ...WEIGHTS,
  stride: 'extents?',
  padding: 'perAxis?',
  dilation: 'extents?',
  groups: 'extent?',
  activation: ['none', 'relu'],
} as const;

/** Options of {@link Conv2d} and {@link ConvTranspose2d}. */
export interface ConvolutionLayerOptions extends F.ConvolutionOptions {
  readonly bias?: boolean;
  readonly init?: { readonly weight: Initializer; readonly bias: Initializer };
}

/**
 * Convolution of images [N, H, W, in], gives [N, H', W', out], see `functional.conv2d`; weight [kh, kw, in / groups, out], in files PyTorch's
 * (out, in / groups, kh, kw), drawn from U(±1/sqrt(fan in)) as torch.nn.Conv2d.
 * @throws GmtlError `ops/attribute` as {@link Linear}, `nn/layer` where the channels do not fall into `groups`.
 */
export class Conv2d extends Layer {
  readonly weight: Parameter;
  readonly bias: Parameter | null;
  readonly #options: F.ConvolutionOptions;

  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: number | F.Pair,
    options: ConvolutionLayerOptions = {},
  ) {
    super();
    checkAttributes('Conv2d', WINDOW, { inChannels, outChannels, kernelSize });
    checkAttributes('Conv2d', CONVOLUTION, options);
    requireGroups('Conv2d', options.groups, { inChannels, outChannels });
    const perGroup = inChannels / (options.groups ?? 1);
    const [height, width] = F.pair(kernelSize);
    const fanIn = perGroup * height * width;
    const init = options.init ?? { weight: torchDefault(fanIn), bias: torchDefault(fanIn) };
    this.weight = parameter([height, width, perGroup, outChannels], init.weight, { order: [3, 2, 0, 1] });
    this.bias = (options.bias ?? true) ? parameter([outChannels], init.bias) : null;
    const { bias: _bias, init: _init, ...rest } = options;
    this.#options = rest;
  }

  override forward(x: Tensor): Tensor {
    return F.conv2d(x, this.weight, this.bias, this.#options);
  }
}

/**
 * One filter per channel: [N, H, W, channels], whose size stays (stride 1, padding (kernelSize - 1) / 2: odd kernels); weight [k, k, channels], in
 * files (channels, 1, k, k).
 */
export class DepthwiseConv2d extends Layer {
  readonly weight: Parameter;
  readonly bias: Parameter;
  readonly #padding: number;

  constructor(
    channels: number,
    kernelSize: number,
    options: { init?: { weight: Initializer; bias: Initializer } } = {},
  ) {
    super();
    checkAttributes('DepthwiseConv2d', { channels: 'extent', kernelSize: 'extent' }, { channels, kernelSize });
    checkAttributes('DepthwiseConv2d', { init: 'record?' }, options);
    const init = options.init ?? { weight: torchDefault(kernelSize ** 2), bias: torchDefault(kernelSize ** 2) };
    const external = { order: [2, 0, 1], shape: [channels, 1, kernelSize, kernelSize] };
    this.weight = parameter([kernelSize, kernelSize, channels], init.weight, external);
    this.bias = parameter([channels], init.bias);
    this.#padding = (kernelSize - 1) / 2;
  }

  override forward(x: Tensor): Tensor {
    return F.depthwiseConv2d(x, this.weight, this.bias, { padding: this.#padding });
  }
}

/**
 * Transposed convolution of images [N, H, W, in], gives [N, H', W', out], see `functional.convTranspose2d`; weight [kh, kw, out / groups, in], in files
 * PyTorch's (in, out / groups, kh, kw).
 * @throws GmtlError `ops/attribute` as {@link Linear}, `nn/layer` where the channels do not fall into `groups`.
 */
export class ConvTranspose2d extends Layer {
  readonly weight: Parameter;
  readonly bias: Parameter | null;
  readonly #options: Parameters<typeof F.convTranspose2d>[3];

  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: number | F.Pair,
    options: ConvolutionLayerOptions & { readonly outputPadding?: number | F.Pair } = {},
  ) {
    super();
    checkAttributes('ConvTranspose2d', WINDOW, { inChannels, outChannels, kernelSize });
    checkAttributes('ConvTranspose2d', { ...CONVOLUTION, outputPadding: 'perAxis?' }, options);
    requireGroups('ConvTranspose2d', options.groups, { inChannels, outChannels });
    const perGroup = outChannels / (options.groups ?? 1);
    const [height, width] = F.pair(kernelSize);
    const fan = perGroup * height * width;
    const init = options.init ?? { weight: torchDefault(fan), bias: torchDefault(fan) };
    this.weight = parameter([height, width, perGroup, inChannels], init.weight, { order: [3, 2, 0, 1] });
    this.bias = (options.bias ?? true) ? parameter([outChannels], init.bias) : null;
    const { bias: _bias, init: _init, ...rest } = options;
    this.#options = rest;
  }

  override forward(x: Tensor): Tensor {
    return F.convTranspose2d(x, this.weight, this.bias, this.#options);
  }
}
