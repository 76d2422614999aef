/** A tensor that is trained, and how its elements lie in PyTorch's files. */
import { engine as currentEngine } from '../autograd/currentEngine.ts';
import { Engine } from '../autograd/engine.ts';
import { Tensor } from '../autograd/tensor.ts';
import { checkAttributes } from '../arguments.ts';
import { requireExtents, stridesOf } from '../tensor/shape.ts';
import type { Shape, TypedArray } from '../tensor/spec.ts';

/** How a parameter's elements lie in PyTorch's files, relative to the engine's own layout. */
export interface ExternalLayout {
  /** PyTorch's axis k is the engine's axis `order[k]`. */
  readonly order: readonly number[];
  /** PyTorch's shape where it has extra axes of extent 1; else the permuted shape. */
  readonly shape?: Shape;
}

const OPTIONS = { external: 'record?', buffer: 'flag?', optional: 'flag?', engine: 'anything?' } as const;

/** Elements of `shape` with their axes in another order: axis k of the result is axis `order[k]`. */
export function permuteData<A extends TypedArray>(data: A, shape: Shape, order: readonly number[]): A {
  const strides = stridesOf(shape);
  const targetShape = order.map((axis) => shape[axis]);
  const steps = order.map((axis) => strides[axis]);
  const result = data.slice() as A;
  const index = new Array<number>(shape.length).fill(0);
  let from = 0;
  for (let to = 0; to < result.length; to++) {
    result[to] = data[from];
    for (let axis = index.length - 1; axis >= 0; axis--) {
      from += steps[axis];
      if (++index[axis] < targetShape[axis]) break;
      from -= steps[axis] * targetShape[axis];
      index[axis] = 0;
    }
  }
  return result;
}

/**
 * A tensor that belongs to a module: trained, or (a buffer, such as running statistics) only stored with it. It knows how
 * PyTorch lays it out, so that state dicts have the shapes other frameworks expect.
 */
export class Parameter extends Tensor {
  readonly isBuffer: boolean;
  /** Whether a state dict may lack it, as PyTorch's may lack `num_batches_tracked`: it then stays as it is. */
  readonly optional: boolean;
  readonly #external: ExternalLayout | undefined;

  constructor(
    shape: Shape,
    data: Float32Array,
    options: { external?: ExternalLayout; buffer?: boolean; optional?: boolean; engine?: Engine } = {},
  ) {
    checkAttributes('Parameter', OPTIONS, options);
    const engine = options.engine ?? currentEngine();
    checkAttributes('Parameter', { engine: Engine, data: Float32Array }, { engine, data });
    requireExtents('Parameter', shape);
    const value = engine.backend.upload({ shape: [...shape], dtype: 'f32' }, data, 'parameter');
    super(engine, value, null, !options.buffer);
    this.isBuffer = options.buffer ?? false;
    this.optional = options.optional ?? false;
    this.#external = options.external;
  }

  /** The shape that PyTorch gives this parameter. */
  get externalShape(): Shape {
    const external = this.#external;
    if (!external) return this.shape;
    return external.shape ?? external.order.map((axis) => this.shape[axis]);
  }

  /** PyTorch's axis k is the engine's axis `externalOrder[k]`, axes of extent 1 that {@link externalShape} has in addition left out. */
  get externalOrder(): readonly number[] {
    return this.#external?.order ?? this.shape.map((_, axis) => axis);
  }

  /** Elements in PyTorch's layout, row-major under {@link externalShape}, from the engine's row-major `data`. */
  toExternal(data: Float32Array): { shape: Shape; data: Float32Array } {
    const external = this.#external;
    return { shape: this.externalShape, data: external ? permuteData(data, this.shape, external.order) : data };
  }

  /** Elements in the engine's layout, row-major under the parameter's own shape, from PyTorch's row-major `data`. The inverse of {@link toExternal}. */
  fromExternal(data: Float32Array): Float32Array {
    const external = this.#external;
    if (!external) return data;
    const shape = external.order.map((axis) => this.shape[axis]);
    const inverse = this.shape.map((_, axis) => external.order.indexOf(axis));
    return permuteData(data, shape, inverse);
  }
}
