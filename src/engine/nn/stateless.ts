/** Layers without parameters, named as in torch.nn: functions that Sequential can hold. */
import type { Tensor } from '../autograd/tensor.ts';
import { GmtlError, show } from '../errors.ts';
import type { AvgPoolAttributes, MaxPoolAttributes } from '../ops/pool/attributes.ts';
import { checkAttributes } from '../arguments.ts';
import * as F from './functional.ts';
import { checkInterpolation } from './interpolation.ts';
import { Layer } from './layer.ts';
import { RandomSource } from './randomSource.ts';

/** The options of pooling layers, beside their kernel. */
const WINDOW = { stride: 'extents?', padding: 'perAxis?' } as const;

/** Gives its input, the very tensor (torch.nn.Identity). */
export class Identity extends Layer {
  override forward(x: Tensor): Tensor {
    return x;
  }
}

/** max(x, 0), f32 or f16, any shape; the derivative at 0 is 0 (torch.nn.ReLU). */
export class ReLU extends Layer {
  override forward(x: Tensor): Tensor {
    return x.relu();
  }
}

/** x · Φ(x), any shape (torch.nn.GELU; Hendrycks and Gimpel 2016): the exact form unless the tanh approximation is asked for. */
export class GELU extends Layer {
  readonly #approximate: 'none' | 'tanh';

  /** `none` is the exact (erf) form. */
  constructor(approximate: 'none' | 'tanh' = 'none') {
    super();
    checkAttributes('GELU', { approximate: ['none', 'tanh'] }, { approximate });
    this.#approximate = approximate;
  }

  override forward(x: Tensor): Tensor {
    return this.#approximate === 'tanh' ? x.geluTanh() : x.gelu();
  }
}

/** x · sigmoid(x), f32 or f16, any shape (torch.nn.SiLU; Elfwing et al. 2017). */
export class SiLU extends Layer {
  override forward(x: Tensor): Tensor {
    return x.silu();
  }
}

/** 1 / (1 + exp(-x)), any shape, without overflow; integers give f32 (torch.nn.Sigmoid). */
export class Sigmoid extends Layer {
  override forward(x: Tensor): Tensor {
    return x.sigmoid();
  }
}

/** Hyperbolic tangent, any shape, between -1 and 1; integers give f32 (torch.nn.Tanh). */
export class Tanh extends Layer {
  override forward(x: Tensor): Tensor {
    return x.tanh();
  }
}

/** Softmax along an axis, the last where left out; the shape stays (torch.nn.Softmax, whose `dim` this is). */
export class Softmax extends Layer {
  readonly #axis: number;

  constructor(axis = -1) {
    super();
    checkAttributes('Softmax', { axis: 'integer' }, { axis });
    this.#axis = axis;
  }

  override forward(x: Tensor): Tensor {
    return x.softmax(this.#axis);
  }
}

/** The axes from `start` to `end` (inclusive) as one; all but the first where left out. */
export class Flatten extends Layer {
  readonly #axes: readonly [number, number];

  constructor(start = 1, end = -1) {
    super();
    checkAttributes('Flatten', { start: 'integer', end: 'integer' }, { start, end });
    this.#axes = [start, end];
  }

  override forward(x: Tensor): Tensor {
    return x.flatten(...this.#axes);
  }
}

/** Maximum over windows of [N, H, W, C] (torch.nn.MaxPool2d): see `functional.maxPool2d`. The stride is the kernel's size where left out. */
export class MaxPool2d extends Layer {
  readonly #options: MaxPoolAttributes;

  constructor(kernel: MaxPoolAttributes['kernel'], options: Omit<MaxPoolAttributes, 'kernel'> = {}) {
    super();
    checkAttributes('MaxPool2d', { kernel: 'extents' }, { kernel });
    checkAttributes('MaxPool2d', { ...WINDOW, dilation: 'extents?' }, options);
    this.#options = { kernel, ...options };
  }

  override forward(x: Tensor): Tensor {
    return F.maxPool2d(x, this.#options);
  }
}

/** Mean over windows of [N, H, W, C] (torch.nn.AvgPool2d): see `functional.avgPool2d`. The stride is the kernel's size where left out. */
export class AvgPool2d extends Layer {
  readonly #options: AvgPoolAttributes;

  constructor(kernel: AvgPoolAttributes['kernel'], options: Omit<AvgPoolAttributes, 'kernel'> = {}) {
    super();
    checkAttributes('AvgPool2d', { kernel: 'extents' }, { kernel });
    checkAttributes('AvgPool2d', { ...WINDOW, countIncludePad: 'flag?' }, options);
    this.#options = { kernel, ...options };
  }

  override forward(x: Tensor): Tensor {
    return F.avgPool2d(x, this.#options);
  }
}

/** Means over a grid of `size` cells that cover [N, H, W, C], gives [N, *size, C] (torch.nn.AdaptiveAvgPool2d): see `functional.adaptiveAvgPool2d`. */
export class AdaptiveAvgPool2d extends Layer {
  readonly #size: number | F.Pair;

  constructor(size: number | F.Pair) {
    super();
    checkAttributes('AdaptiveAvgPool2d', { size: 'extents' }, { size });
    this.#size = size;
  }

  override forward(x: Tensor): Tensor {
    return F.adaptiveAvgPool2d(x, this.#size);
  }
}

/** Resizes [N, H, W, C] to `size` or by `scaleFactor`, nearest unless bilinear is asked for (torch.nn.Upsample): see `functional.interpolate`. */
export class Upsample extends Layer {
  readonly #options: F.InterpolateOptions;

  constructor(options: F.InterpolateOptions) {
    super();
    checkInterpolation('Upsample', options);
    this.#options = options;
  }

  override forward(x: Tensor): Tensor {
    return F.interpolate(x, this.#options);
  }
}

/**
 * A layer that is active in training only. Its masks are a function of the source's seed and step: call `random.setStep(step)` before each
 * step, else the same elements are dropped every time.
 */
abstract class Dropping extends Layer {
  readonly #drop: (x: Tensor) => Tensor;

  constructor(layer: string, p: number, random: RandomSource, drop: () => (x: Tensor) => Tensor) {
    super();
    checkAttributes(layer, { p: 'probability' }, { p });
    if (!(random instanceof RandomSource))
      throw new GmtlError(
        'nn/layer',
        `${layer}: random is ${show(random)}; give a RandomSource, one for all layers: new RandomSource(seed)`,
      );
    this.#drop = drop();
  }

  override forward(x: Tensor): Tensor {
    return this.training ? this.#drop(x) : x;
  }
}

/**
 * In training each element is zeroed with probability `p`, the others scaled by 1 / (1 - p) (Srivastava et al. 2014; torch.nn.Dropout). The masks are
 * those of `random`'s seed and step: call its `setStep` before each step.
 * @throws GmtlError `ops/attribute` for what is not a probability, `nn/layer` without a {@link RandomSource}.
 */
export class Dropout extends Dropping {
  constructor(p: number, random: RandomSource) {
    super('Dropout', p, random, () => random.dropout(p));
  }
}

/** In training whole channels of a sample of [N, H, W, C] are zeroed with probability `p`, the others scaled by 1 / (1 - p) (torch.nn.Dropout2d). Otherwise as {@link Dropout}. */
export class Dropout2d extends Dropping {
  constructor(p: number, random: RandomSource) {
    super('Dropout2d', p, random, () => random.dropout2d(p));
  }
}

/**
 * In training whole samples of a residual branch [N, ...] are zeroed with probability `p`, the others scaled by 1 / (1 - p) (stochastic depth, Huang et
 * al. 2016; timm's DropPath). Otherwise as {@link Dropout}.
 */
export class DropPath extends Dropping {
  constructor(p: number, random: RandomSource) {
    super('DropPath', p, random, () => {
      const factorOf = random.dropPathFactor(p);
      return (x) =>
        x.engine.scope(() => {
          const factor = factorOf(x.shape[0]).cast(x.dtype);
          return x.mul(factor.reshape([x.shape[0], ...x.shape.slice(1).map(() => 1)]));
        });
    });
  }
}
