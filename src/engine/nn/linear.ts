/** The linear layer. */
import type { Tensor } from '../autograd/tensor.ts';
import { checkAttributes } from '../arguments.ts';
import * as F from './functional.ts';
import { type Initializer, torchDefault } from './init.ts';
import { Layer } from './layer.ts';
import { parameter, WEIGHTS } from './layerParts.ts';
import type { Parameter } from './parameter.ts';

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
