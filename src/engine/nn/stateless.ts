/** Layers without parameters, named as in torch.nn: functions that Sequential can hold. */
import type { Tensor } from '../autograd/tensor.ts';
import { GmtlError, show } from '../errors.ts';
import type { AvgPoolAttributes, MaxPoolAttributes } from '../ops/pool/attributes.ts';
import { checkAttributes } from '../arguments.ts';
import * as F from './functional.ts';
import { checkInterpolation } from './interpolation.ts';
import { Layer } from './layer.ts';
import { RandomSource } from './randomSource.ts';

/** What pooling layers may be told beside their kernel. */
const WINDOW = { stride: 'extents?', padding: 'perAxis?' } as const;

export class Identity extends Layer {
  override forward(x: Tensor): Tensor {
    return x;
  }
}

export class ReLU extends Layer {
  override forward(x: Tensor): Tensor {
    return x.relu();
  }
}

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

export class SiLU extends Layer {
  override forward(x: Tensor): Tensor {
    return x.silu();
  }
}

export class Sigmoid extends Layer {
  override forward(x: Tensor): Tensor {
    return x.sigmoid();
  }
}

export class Tanh extends Layer {
  override forward(x: Tensor): Tensor {
    return x.tanh();
  }
}

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

/** Each element is zeroed with probability `p`, the others scaled by 1 / (1 - p). */
export class Dropout extends Dropping {
  constructor(p: number, random: RandomSource) {
    super('Dropout', p, random, () => random.dropout(p));
  }
}

/** Whole channels of a sample are zeroed. */
export class Dropout2d extends Dropping {
  constructor(p: number, random: RandomSource) {
    super('Dropout2d', p, random, () => random.dropout2d(p));
  }
}

/** Whole samples of a residual branch are zeroed (stochastic depth; timm's DropPath): x [N, ...]. */
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
