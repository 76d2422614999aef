/** Layers with parameters: compositions of ops. Those without stand in stateless.ts. */
import type { Tensor } from '../autograd/tensor.ts';
import { engine } from '../autograd/engine.ts';
import { GmtlError, show } from '../errors.ts';
import type { BatchNormAttributes } from '../ops/batchNorm/attributes.ts';
import { fillProgram } from '../ops/movement/convert.ts';
import * as F from './functional.ts';
import { accumulateProgram } from '../ops/accumulate/program.ts';
import { checkAttributes } from '../arguments.ts';
import { emaProgram } from '../ops/optimizer/elementwise.ts';
import { type Initializer, ones, torchDefault, zeros } from './init.ts';
import { Layer } from './layer.ts';
import { type ExternalLayout, Parameter } from './parameter.ts';

export { Layer } from './layer.ts';
export * from './stateless.ts';

function parameter(shape: readonly number[], init: Initializer, external?: ExternalLayout): Parameter {
  const { backend, generator } = engine();
  // Drawing a large network's weights takes seconds, and a dry run does not store them.
  return new Parameter(shape, backend.dry ? new Float32Array(0) : init(shape, generator), { external });
}

/** The options of layers with weights, beside those of their op. */
const WEIGHTS = { bias: 'flag?', init: 'record?' } as const;
const WINDOW = { inChannels: 'extent', outChannels: 'extent', kernelSize: 'extents' } as const;
const NORM = { channels: 'extent', eps: 'number?' } as const;

const CONVOLUTION = {
  ...WEIGHTS,
  stride: 'extents?',
  padding: 'perAxis?',
  dilation: 'extents?',
  groups: 'extent?',
  activation: ['none', 'relu'],
} as const;

/** Options of {@link Linear}. */
export interface LinearOptions {
  /** Default true. */
  readonly bias?: boolean;
  /** Default: PyTorch's, U(±1/sqrt(in)) for both. */
  readonly init?: { readonly weight: Initializer; readonly bias: Initializer };
  /** The weight's shape in files: as of a 1x1 convolution (out, in, 1, 1) instead of (out, in). Same elements. */
  readonly asConvolution?: boolean;
  /** Fused into the product. Default 'none'. */
  readonly activation?: 'none' | 'relu' | 'gelu';
}

/**
 * x · weightᵀ + bias over the last axis: [..., inFeatures] to [..., outFeatures]; weight [out, in] as torch.nn.Linear, drawn from U(±1/sqrt(in)).
 * @throws GmtlError `ops/attribute` for counts that are not whole numbers above 0, and unknown options; so do all layers.
 */
export class Linear extends Layer {
  readonly weight: Parameter;
  readonly bias: Parameter | null;
  readonly #activation: 'none' | 'relu' | 'gelu';

  constructor(inFeatures: number, outFeatures: number, options: LinearOptions = {}) {
    super();
    checkAttributes('Linear', { inFeatures: 'extent', outFeatures: 'extent' }, { inFeatures, outFeatures });
    checkAttributes('Linear', { ...WEIGHTS, asConvolution: 'flag?', activation: ['none', 'relu', 'gelu'] }, options);
    const init = options.init ?? { weight: torchDefault(inFeatures), bias: torchDefault(inFeatures) };
    const external = options.asConvolution ? { order: [0, 1], shape: [outFeatures, inFeatures, 1, 1] } : undefined;
    this.weight = parameter([outFeatures, inFeatures], init.weight, external);
    this.bias = (options.bias ?? true) ? parameter([outFeatures], init.bias) : null;
    this.#activation = options.activation ?? 'none';
  }

  override forward(x: Tensor): Tensor {
    return F.linear(x, this.weight, this.bias, this.#activation);
  }
}

/** Throws `nn/layer` unless each count of channels falls into `groups`. */
function requireGroups(layer: string, groups = 1, counts: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(counts)) {
    if (count % groups !== 0)
      throw new GmtlError('nn/layer', `${layer}: ${name} ${count} do not fall into ${groups} groups`);
  }
}

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

/**
 * Normalization of each sample over groups of channels, [N, ..., channels]: see `functional.groupNorm`. Weight starts at 1, bias at 0.
 * @throws GmtlError `nn/layer` where the channels do not fall into `groups`.
 */
export class GroupNorm extends Layer {
  readonly weight: Parameter;
  readonly bias: Parameter;
  readonly #groups: number;
  readonly #eps: number;

  constructor(groups: number, channels: number, eps = 1e-5) {
    super();
    checkAttributes('GroupNorm', { ...NORM, groups: 'extent' }, { channels, eps, groups });
    requireGroups('GroupNorm', groups, { channels });
    this.weight = parameter([channels], ones);
    this.bias = parameter([channels], zeros);
    this.#groups = groups;
    this.#eps = eps;
  }

  override forward(x: Tensor): Tensor {
    return F.groupNorm(x, this.#groups, this.weight, this.bias, this.#eps);
  }
}

/**
 * Normalization over the last axis, [..., channels], as torch.nn.LayerNorm(channels): see `functional.layerNorm`. Weight starts at 1, bias at 0;
 * `eps` (1e-5) stands inside the square root.
 */
export class LayerNorm extends Layer {
  readonly weight: Parameter;
  readonly bias: Parameter;
  readonly #eps: number;

  constructor(channels: number, eps = 1e-5) {
    super();
    checkAttributes('LayerNorm', NORM, { channels, eps });
    this.weight = parameter([channels], ones);
    this.bias = parameter([channels], zeros);
    this.#eps = eps;
  }

  override forward(x: Tensor): Tensor {
    return F.layerNorm(x, this.weight, this.bias, this.#eps);
  }
}

/** The statistics of one forward pass that are still to enter a layer's running ones: its mean and unbiased variance [channels]. */
export interface BatchStatistics {
  readonly layer: BatchNorm2d;
  readonly mean: Tensor;
  readonly variance: Tensor;
}

/**
 * Batch normalization over the channels of NHWC maps, with torch.nn.BatchNorm2d's names and defaults. `num_batches_tracked` is
 * counted (by the kernel, so that a captured step counts at each replay) but not used, as in PyTorch where a momentum is given.
 */
export class BatchNorm2d extends Layer {
  readonly weight: Parameter;
  readonly bias: Parameter;
  readonly running_mean: Parameter;
  readonly running_var: Parameter;
  readonly num_batches_tracked: Parameter;
  /** Not null: training passes leave the running statistics alone and put the batch's here, for `absorb` in an order of the caller's. */
  deferred: BatchStatistics[] | null = null;
  readonly #attributes: Required<Pick<BatchNormAttributes, 'eps' | 'momentum' | 'activation'>>;

  /** `activation` is fused: it follows the normalization, and the residual where `forward` is given one. */
  constructor(channels: number, options: Omit<BatchNormAttributes, 'training'> = {}) {
    super();
    checkAttributes('BatchNorm2d', { channels: 'extent' }, { channels });
    checkAttributes('BatchNorm2d', { eps: 'number?', momentum: 'number?', activation: ['none', 'relu'] }, options);
    const buffer = (shape: readonly number[], init: Initializer, optional = false) =>
      new Parameter(shape, init(shape, engine().generator), { buffer: true, optional });
    this.weight = parameter([channels], ones);
    this.bias = parameter([channels], zeros);
    this.running_mean = buffer([channels], zeros);
    this.running_var = buffer([channels], ones);
    this.num_batches_tracked = buffer([], zeros, true);
    const { eps = 1e-5, momentum = 0.1, activation = 'none' } = options;
    this.#attributes = { eps, momentum, activation };
  }

  /** activation(batchNorm(x) + residual), for x and a residual (0 where left out) of one shape [N, H, W, C]. */
  override forward(x: Tensor, residual?: Tensor): Tensor {
    const { training, deferred } = this;
    if (training && deferred) {
      // With a momentum of 1 on zeros the kernel's update leaves the batch's own statistics.
      const zeros = (): Tensor => x.engine.run(fillProgram, [], { shape: this.weight.shape, value: 0 })[0].keep();
      const own = { mean: zeros(), variance: zeros() };
      deferred.push({ layer: this, ...own });
      return F.batchNorm(x, this.weight, this.bias, own, { training, ...this.#attributes, momentum: 1 }, residual);
    }
    const running = { mean: this.running_mean, variance: this.running_var, batches: this.num_batches_tracked };
    return F.batchNorm(x, this.weight, this.bias, running, { training, ...this.#attributes }, residual);
  }

  /** Lets batches' statistics enter the running ones one after another, as training passes over them would have. */
  absorb(batches: readonly Pick<BatchStatistics, 'mean' | 'variance'>[]): void {
    checkAttributes('BatchNorm2d.absorb', { batches: 'records' }, { batches });
    const { engine } = this.weight;
    const { momentum } = this.#attributes;
    engine.scope(() => {
      const [hyper] = engine.run(fillProgram, [], { shape: [4], value: momentum });
      for (const { mean, variance } of batches) {
        engine.run(emaProgram, [this.running_mean, mean, hyper], {});
        engine.run(emaProgram, [this.running_var, variance, hyper], {});
      }
      const [count] = engine.run(fillProgram, [], { shape: [], value: batches.length });
      engine.run(accumulateProgram, [this.num_batches_tracked, count], {});
    });
  }
}

/**
 * Layers one after another, named by their index as torch.nn.Sequential's: `net['0']` is the first, its weight `0.weight` in files.
 * @throws GmtlError `nn/layer` for what is not a {@link Layer}: a function goes into a {@link Lambda}.
 */
export class Sequential extends Layer {
  readonly #layers: readonly Layer[];

  constructor(...layers: Layer[]) {
    super();
    const wrong = layers.find((layer) => !(layer instanceof Layer));
    if (wrong !== undefined)
      throw new GmtlError(
        'nn/layer',
        `Sequential: ${show(wrong)} is not a layer; it takes layers one by one: new Sequential(a, b)`,
      );
    this.#layers = layers;
    layers.forEach((layer, index) => {
      Object.defineProperty(this, String(index), { value: layer, enumerable: true });
    });
  }

  override forward(x: Tensor): Tensor {
    return this.#layers.reduce((value, layer) => layer.forward(value), x);
  }
}

/** A layer without parameters, made from a function: a placeholder that keeps Sequential's numbering equal to PyTorch's. */
export class Lambda extends Layer {
  readonly #function: (x: Tensor) => Tensor;

  constructor(body: (x: Tensor) => Tensor) {
    super();
    if (typeof body !== 'function')
      throw new GmtlError('nn/layer', `Lambda: ${show(body)} is not a function of a tensor`);
    this.#function = body;
  }

  override forward(x: Tensor): Tensor {
    return this.#function(x);
  }
}
