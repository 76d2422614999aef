/** The tensor that users hold: a value, its place in the graph, and the ops as methods. */
import { GmtlError, show } from '../errors.ts';
import { add, div, equal, less, lessEqual, mul, sub } from '../ops/binary/op.ts';
import type { NoAttributes, Op } from '../ops/definition.ts';
import { gather } from '../ops/gather/op.ts';
import { matmul } from '../ops/matmul/op.ts';
import { cast, expand, flip, floatCast, permute, reshape, slice } from '../ops/movement/op.ts';
import type { ReduceAttributes } from '../ops/reduce/attributes.ts';
import { max, mean, sum } from '../ops/reduce/op.ts';
import { checkAttributes } from '../arguments.ts';
import type { UnaryName } from '../ops/unary/attributes.ts';
import { unaryOps } from '../ops/unary/op.ts';
import type { Value } from '../ops/value.ts';
import { softmax } from '../ops/softmax/op.ts';
import { where } from '../ops/where/op.ts';
import { type HostData, hostArray } from '../tensor/hostData.ts';
import { broadcastShapes, normalizeAxes, normalizeAxis, resolveReshape, sameShape } from '../tensor/shape.ts';
import { type DType, formatShape, isFloat, type Shape, sizeOf, type TypedArray } from '../tensor/spec.ts';
import type { BackwardOptions, Engine } from './engine.ts';
import type { GraphNode } from './graph.ts';

/** Options of {@link Tensor.var}. */
export interface VarianceOptions {
  /** What is taken from the count. Default 1. */
  readonly correction?: number;
  /** Whether reduced axes stay as extent 1. Default false. */
  readonly keepDims?: boolean;
}

/** Throws `ops/attribute` for a list of no axes. */
function requireAxes(op: string, axes: readonly number[] | undefined): void {
  if (Array.isArray(axes) && axes.length === 0)
    throw new GmtlError(
      'ops/attribute',
      `${op}: the axes are []; leave them out to reduce all, and the call out to reduce none`,
    );
}

/**
 * An n-dimensional array on the engine's backend, row-major and contiguous, that remembers how it was computed.
 * The common functions are methods; those with weights or many options stand in src/engine/nn/functional.ts.
 */
export class Tensor {
  readonly engine: Engine;
  readonly value: Value;
  readonly node: GraphNode | null;
  #requiresGrad: boolean;
  #grad: Tensor | null = null;
  #disposed = false;

  constructor(engine: Engine, value: Value, node: GraphNode | null, requiresGrad: boolean) {
    if (value?.spec === undefined)
      throw new GmtlError('ops/inputs', `a tensor is made by engine.tensor, not by new Tensor(…)`);
    this.engine = engine;
    this.value = value;
    this.node = node;
    node?.retain();
    this.#requiresGrad = requiresGrad || node !== null;
  }

  /** Whether backward collects a gradient here, of a leaf, or passes through, of a result. Set it to false to freeze a parameter. */
  get requiresGrad(): boolean {
    return this.#requiresGrad;
  }

  /**
   * @throws GmtlError `tensor/dtype` for integers that are to have a gradient, `autograd/graph` for a result of an op that is to have none (`detach()` it),
   * `ops/attribute` for what is not a boolean.
   */
  set requiresGrad(requiresGrad: boolean) {
    checkAttributes('Tensor', { requiresGrad: 'flag' }, { requiresGrad });
    if (requiresGrad && !isFloat(this.dtype))
      throw new GmtlError('tensor/dtype', `requiresGrad: ${this} cannot require a gradient; make it f32`);
    if (!requiresGrad && this.node)
      throw new GmtlError(
        'autograd/graph',
        `requiresGrad: ${this} is the result of ${this.node.op.name} and requires a gradient as its inputs do: detach() it, or compute it under noGrad`,
      );
    this.#requiresGrad = requiresGrad;
  }

  /** Sum of the gradients of all backward calls since it was last set to null. Only on leaves. */
  get grad(): Tensor | null {
    return this.#grad;
  }

  /** @throws GmtlError `autograd/gradient` for what is not a float tensor of this engine and shape, in memory of its own. */
  set grad(gradient: Tensor | null) {
    if (gradient !== null && !(gradient instanceof Tensor))
      throw new GmtlError('autograd/gradient', `grad: a gradient is a tensor or null, not ${show(gradient)}`);
    if (gradient && gradient.engine !== this.engine)
      throw new GmtlError('autograd/engine', `grad: ${gradient} belongs to another engine than ${this}`);
    if (gradient && !(isFloat(gradient.dtype) && sameShape(gradient.shape, this.shape)))
      throw new GmtlError('autograd/gradient', `grad: ${gradient} is not a gradient of ${this}`);
    if (gradient?.value.storage === this.value.storage)
      throw new GmtlError(
        'autograd/gradient',
        `grad: ${gradient} shares the memory of ${this}: give it a copy (mul(1))`,
      );
    this.#grad = gradient;
  }

  /** Extents, outermost first; [] of a scalar. */
  get shape(): Shape {
    return this.value.spec.shape;
  }

  /** Type of the elements: f32, f16, i32 or u32. */
  get dtype(): DType {
    return this.value.spec.dtype;
  }

  /** Number of elements. */
  get size(): number {
    return sizeOf(this.shape);
  }

  /** Whether this handle was freed, by `dispose` or at the end of its scope. */
  get disposed(): boolean {
    return this.#disposed;
  }

  /**
   * Reads the elements back, row-major: a Float32Array for f32 and f16, an Int32Array or Uint32Array for i32 and u32. Waits for everything
   * recorded so far, and throws what the device reported of it.
   * @throws GmtlError `tensor/freed` once the memory was freed.
   */
  async data(): Promise<TypedArray> {
    const content = await this.engine.backend.download(this.value);
    if (!(content instanceof Float64Array)) return content;
    return isFloat(this.dtype)
      ? Float32Array.from(content)
      : this.dtype === 'u32'
        ? Uint32Array.from(content)
        : Int32Array.from(content);
  }

  /**
   * Reads the element of a tensor that has just one, of any rank; waits as {@link data}.
   * @throws GmtlError `tensor/shape` where there are more.
   */
  async item(): Promise<number> {
    if (this.size !== 1)
      throw new GmtlError(
        'tensor/shape',
        `item: a tensor of shape ${formatShape(this.shape)} has ${this.size} elements`,
      );
    return (await this.data())[0];
  }

  /**
   * Adds the gradients of this tensor to the `grad` of every leaf it depends on that requires one; see {@link Engine.backward}.
   * @param gradient of this tensor, of its shape; may be left out of a tensor of one element, where it is 1.
   * @throws GmtlError `autograd/graph` where no leaf requires a gradient, the graph was used already, or a gradient is lacking; `tensor/shape`
   * and `tensor/dtype` for one that does not fit.
   */
  backward(gradient?: Tensor, options: BackwardOptions = {}): void {
    this.engine.backward(this, gradient, options);
  }

  /**
   * Overwrites the elements from the host, in place (an input buffer of a captured step, loaded weights). A backward pass that needs the old
   * ones is refused from then on.
   * @throws GmtlError `tensor/shape` where the count differs, `tensor/data` for what is not a number of this type, `tensor/freed`.
   */
  write(data: HostData): this {
    if (this.#disposed)
      throw new GmtlError('tensor/freed', `write: this tensor of shape ${formatShape(this.shape)} was already freed`);
    const host = hostArray('write', data, this.dtype);
    if (host.data.length !== this.size) {
      throw new GmtlError('tensor/shape', `write: ${host.data.length} numbers do not fill ${this}`);
    }
    this.engine.backend.write(this.value, host.data);
    this.value.storage.changed();
    return this;
  }

  /**
   * The same memory outside the graph: no gradient flows through it, and writing to one writes to both.
   * @throws GmtlError `tensor/freed`.
   */
  detach(): Tensor {
    if (this.#disposed)
      throw new GmtlError('tensor/freed', `detach: this tensor of shape ${formatShape(this.shape)} was already freed`);
    this.value.storage.retain();
    return this.engine.adopt(this.value);
  }

  /** Takes the tensor out of all scopes: it lives until {@link dispose}. Gives the tensor itself. */
  keep(): this {
    this.engine.keep(this);
    return this;
  }

  /** Gives up this handle; the memory is freed when nothing else (graph, views) holds it. A second call does nothing. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.value.storage.release();
    this.node?.drop();
    this.grad?.dispose();
    this.grad = null;
  }

  // --- arithmetic, with NumPy broadcasting; a plain number is cheaper than a tensor of one ---

  #binary(op: Op<NoAttributes>, other: Tensor, swapped = false): Tensor {
    return this.engine.apply(op, swapped ? [other, this] : [this, other], {});
  }

  #unary(name: UnaryName): Tensor {
    return this.engine.apply(unaryOps[name], [this], {});
  }

  /**
   * scale * this + shift by element, in one pass; f32 or f16, any shape.
   * @throws GmtlError `tensor/dtype` for integers.
   */
  affine(scale: number, shift: number): Tensor {
    return this.engine.apply(unaryOps.affine, [this], { scale, shift });
  }

  /**
   * this + other by element, shapes broadcast as NumPy's; an integer tensor beside a float one is cast, as in PyTorch.
   * @throws GmtlError `tensor/shape` where the shapes do not broadcast, `tensor/dtype` where neither is f32 or f16.
   */
  add(other: Tensor | number): Tensor {
    return typeof other === 'number' ? this.affine(1, other) : this.#binary(add, other);
  }

  /** this - other by element, shapes broadcast. @throws GmtlError as {@link add}. */
  sub(other: Tensor | number): Tensor {
    return typeof other === 'number' ? this.affine(1, -other) : this.#binary(sub, other);
  }

  /** this · other by element, shapes broadcast. @throws GmtlError as {@link add}. */
  mul(other: Tensor | number): Tensor {
    return typeof other === 'number' ? this.affine(other, 0) : this.#binary(mul, other);
  }

  /**
   * this / other by element, shapes broadcast; a number divides as the product with its reciprocal. Division by 0 gives infinities or NaN.
   * Integers by integers give f32.
   * @throws GmtlError `tensor/shape` where the shapes do not broadcast, `tensor/dtype` for integers by a number.
   */
  div(other: Tensor | number): Tensor {
    return typeof other === 'number' ? this.affine(1 / other, 0) : this.#binary(div, other);
  }

  /** other - this, element by element; f32 or f16, any shape. @throws GmtlError `tensor/dtype` for integers, `ops/attribute` for what is not a number. */
  rsub(other: number): Tensor {
    return this.affine(-1, other);
  }

  /** other / this, element by element, any shape; integers give f32. @throws GmtlError `tensor/data` for what is not a number. */
  rdiv(other: number): Tensor {
    return this.engine.scope(() => this.#binary(div, this.#constant(other), true));
  }

  /** -this, element by element; f32 or f16, any shape. @throws GmtlError `tensor/dtype` for integers. */
  neg(): Tensor {
    return this.affine(-1, 0);
  }

  /**
   * this to the power of a number, as torch.pow: 1 for an exponent of 0, NaN for negative elements and exponents that are not whole. Whole
   * exponents up to 16 are products, others a power of 2 times an exponential: as exact as PyTorch's for exponents up to about 5; the error grows
   * with larger ones (3e-6 of 1.414 ** 100). @throws GmtlError `ops/attribute` for an exponent that is not finite.
   */
  pow(exponent: number): Tensor {
    checkAttributes('pow', { exponent: 'number' }, { exponent });
    if (exponent === 0.5) return this.sqrt();
    return this.engine.apply(unaryOps.pow, [this], { scale: exponent });
  }

  /** Elements below `min` or above `max` become these; the gradient passes where nothing was cut. NaN stays NaN. */
  clamp(min: number | null, max: number | null = null): Tensor {
    for (const bound of [min, max]) {
      if (bound !== null && (typeof bound !== 'number' || Number.isNaN(bound)))
        throw new GmtlError('ops/attribute', `clamp: a bound is ${show(bound)}; it takes a number or null`);
    }
    return this.engine.scope(() => {
      const cut = (x: Tensor, bound: number, isBeyond: (x: Tensor, bound: Tensor) => Tensor): Tensor => {
        const bounds = x.#constant(bound).expand(x.shape);
        return x.engine.apply(where, [isBeyond(x, bounds), bounds, x], {});
      };
      const low = min === null ? this : cut(this, min, (x, bound) => x.lt(bound));
      const both = max === null ? low : cut(low, max, (x, bound) => x.gt(bound));
      return both === this ? this.affine(1, 0) : both;
    });
  }

  /** A scalar of this type. */
  #constant(value: number): Tensor {
    return this.engine.tensor([value], [], { dtype: 'f32' }).cast(this.dtype);
  }

  // --- comparisons: 1 where they hold, else 0, in the type of the tensor; no gradient ---

  #compare(op: Op<NoAttributes>, other: Tensor | number, swapped = false): Tensor {
    return this.engine.scope(() =>
      this.#binary(op, typeof other === 'number' ? this.#constant(other) : other, swapped),
    );
  }

  /**
   * 1 where this equals other, else 0, in the type of the floats, shapes broadcast, without a gradient; NaN equals nothing.
   * @throws GmtlError `tensor/shape` where the shapes do not broadcast, `tensor/dtype` where neither is f32 or f16.
   */
  eq(other: Tensor | number): Tensor {
    return this.#compare(equal, other);
  }

  /** 1 where this differs from other, else 0; NaN differs from everything. As {@link eq} otherwise. */
  ne(other: Tensor | number): Tensor {
    return this.engine.scope(() => this.#compare(equal, other).rsub(1));
  }

  /** 1 where this < other, else 0, and 0 beside NaN. As {@link eq} otherwise. */
  lt(other: Tensor | number): Tensor {
    return this.#compare(less, other);
  }

  /** 1 where this <= other, else 0, and 0 beside NaN. As {@link eq} otherwise. */
  le(other: Tensor | number): Tensor {
    return this.#compare(lessEqual, other);
  }

  /** 1 where this > other, else 0, and 0 beside NaN. As {@link eq} otherwise. */
  gt(other: Tensor | number): Tensor {
    return this.#compare(less, other, true);
  }

  /** 1 where this >= other, else 0, and 0 beside NaN. As {@link eq} otherwise. */
  ge(other: Tensor | number): Tensor {
    return this.#compare(lessEqual, other, true);
  }

  // --- elementwise functions ---

  /**
   * x · Φ(x) with the exact normal distribution (erf), as torch.nn.functional.gelu's default (Hendrycks and Gimpel 2016); f32 or f16, any shape.
   * @throws GmtlError `tensor/dtype` for integers (of which sigmoid, tanh, exp, log and sqrt give f32, as in PyTorch).
   */
  gelu(): Tensor {
    return this.#unary('gelu');
  }

  /** x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³))): torch.nn.functional.gelu with approximate='tanh'. @throws GmtlError as {@link gelu}. */
  geluTanh(): Tensor {
    return this.#unary('geluTanh');
  }

  /** max(this, 0), f32 or f16, any shape; NaN stays NaN. The derivative at 0 is 0. @throws GmtlError as {@link gelu}. */
  relu(): Tensor {
    return this.#unary('relu');
  }

  /** this · sigmoid(this), f32 or f16, any shape (torch.nn.functional.silu; Elfwing et al. 2017). @throws GmtlError as {@link gelu}. */
  silu(): Tensor {
    return this.#unary('silu');
  }

  /** 1 / (1 + exp(-this)), any shape, without overflow; integers give f32. */
  sigmoid(): Tensor {
    return this.#unary('sigmoid');
  }

  /** Hyperbolic tangent, any shape, between -1 and 1 without overflow; integers give f32. */
  tanh(): Tensor {
    return this.#unary('tanh');
  }

  /** e to the power of this, any shape; infinite where that overflows. Integers give f32. */
  exp(): Tensor {
    return this.#unary('exp');
  }

  /** Natural logarithm, any shape: NaN below 0, -infinity at 0. Integers give f32. */
  log(): Tensor {
    return this.#unary('log');
  }

  /** Square root, any shape: NaN below 0; the derivative at 0 is infinite. Integers give f32. */
  sqrt(): Tensor {
    return this.#unary('sqrt');
  }

  /** this², f32 or f16, any shape. @throws GmtlError as {@link gelu}. */
  square(): Tensor {
    return this.#unary('square');
  }

  /** |this|, f32 or f16, any shape; the derivative at 0 is 0. @throws GmtlError as {@link gelu}. */
  abs(): Tensor {
    return this.#unary('abs');
  }

  // --- products, reductions, movement ---

  /**
   * Matrix product over the last two axes: [..., M, K] by [..., K, N] gives [..., M, N]; leading axes broadcast as torch.matmul's. Sums are kept in
   * float32 for f16 too.
   * @throws GmtlError `tensor/shape` where either has fewer than two axes, the K differ or leading axes do not broadcast; `tensor/dtype` for integers.
   */
  matmul(other: Tensor): Tensor {
    if (!(other instanceof Tensor)) return this.engine.apply(matmul, [this, other], {});
    return this.engine.scope(() => {
      const [a, b] = [this.shape.slice(0, -2), other.shape.slice(0, -2)];
      if (sameShape(a, b) || sizeOf(a) === 1 || sizeOf(b) === 1) return this.engine.apply(matmul, [this, other], {});
      const batch = broadcastShapes('matmul', a, b);
      const stretched = (x: Tensor): Tensor => x.expand([...batch, ...x.shape.slice(-2)]);
      return this.engine.apply(matmul, [stretched(this), stretched(other)], {});
    });
  }

  /**
   * Sum over `axes` (all where left out; negative ones count from the back), summed in a fixed order: results repeat bit by bit.
   * @param keepDims leaves reduced axes as extent 1. Default false: they vanish.
   * @throws GmtlError `tensor/shape` for an axis that is none or named twice, `tensor/dtype` for integers, `ops/attribute` for [], which PyTorch takes for
   * all axes and NumPy for none.
   */
  sum(axes?: readonly number[], keepDims = false): Tensor {
    return this.#reduce(sum, axes, keepDims);
  }

  #reduce(op: Op<ReduceAttributes>, axes: readonly number[] | undefined, keepDims: boolean): Tensor {
    requireAxes(op.name, axes);
    return this.engine.apply(op, [this], { axes, keepDims });
  }

  /** Mean over `axes` (all where left out), otherwise as {@link sum}. */
  mean(axes?: readonly number[], keepDims = false): Tensor {
    return this.#reduce(mean, axes, keepDims);
  }

  /** Maximum over `axes` (all where left out), otherwise as {@link sum}; equal maxima share the gradient evenly (torch.amax). */
  max(axes?: readonly number[], keepDims = false): Tensor {
    return this.#reduce(max, axes, keepDims);
  }

  /** Minimum over `axes` (all where left out), otherwise as {@link sum}; equal minima share the gradient evenly (torch.amin). */
  min(axes?: readonly number[], keepDims = false): Tensor {
    requireAxes('min', axes);
    return this.engine.scope(() => this.neg().max(axes, keepDims).neg());
  }

  /**
   * Variance over `axes` (all where left out), around the mean, divided by the count less `correction` (torch.var): 1 by default, 0 for the
   * biased one.
   */
  var(axes?: readonly number[], options: VarianceOptions = {}): Tensor {
    checkAttributes('var', { correction: 'number?', keepDims: 'flag?' }, options);
    requireAxes('var', axes);
    const { correction = 1, keepDims = false } = options;
    return this.engine.scope(() => {
      const along = normalizeAxes('var', axes, this.shape.length);
      const count = along.reduce((product, axis) => product * this.shape[axis], 1);
      // The mean is off by its rounding, which counts where it is large beside the deviations: what is left of it goes too.
      const reduced = axes && along;
      const apart = this.sub(this.mean(reduced, true));
      const squares = apart.sub(apart.mean(reduced, true)).square();
      return squares.sum(reduced, keepDims).div(Math.max(0, count - correction));
    });
  }

  /** Square root of {@link var}; its gradient is 0 where all elements are equal, as torch.std's. */
  std(axes?: readonly number[], options: VarianceOptions = {}): Tensor {
    requireAxes('std', axes);
    return this.engine.scope(() => {
      const variance = this.var(axes, options);
      const isZero = variance.eq(0);
      return variance.add(isZero).sqrt().sub(isZero);
    });
  }

  /**
   * Index of the largest element along an axis, i32, the first of equal ones; NaN counts as largest, as in torch.argmax. No gradient. The axis
   * vanishes unless `keepDims`.
   * @throws GmtlError `tensor/shape` for an axis that is none, `tensor/dtype` for integers, which float32 would not tell apart above 2^24.
   */
  argmax(axis: number, keepDims = false): Tensor {
    return this.#argmax('argmax', axis, keepDims);
  }

  #argmax(name: 'argmax' | 'argmin', axis: number, keepDims: boolean): Tensor {
    const along = normalizeAxis(name, axis, this.shape.length);
    if (!isFloat(this.dtype))
      throw new GmtlError(
        'tensor/dtype',
        `${name}: the tensor is ${this.dtype}; it takes f32 or f16: convert it with cast('f32')`,
      );
    const extent = this.shape[along];
    const find = (): Tensor => {
      const own = this.cast('f32');
      const x = name === 'argmax' ? own : own.neg();
      const places = this.engine.tensor(
        Float32Array.from({ length: extent }, (_, index) => index),
        this.shape.map((_, k) => (k === along ? extent : 1)),
      );
      // Where an element is NaN, so is the maximum, which nothing equals.
      const isLargest = x.eq(x.max([along], true)).add(x.ne(x));
      const last = x.#constant(extent - 1).expand(this.shape);
      const candidates = this.engine.apply(where, [isLargest, places.expand(this.shape), last], {});
      return candidates.min([along], keepDims).cast('i32');
    };
    return this.engine.noGrad(() => this.engine.scope(find));
  }

  /** Index of the smallest element along an axis; see {@link argmax}. */
  argmin(axis: number, keepDims = false): Tensor {
    return this.#argmax('argmin', axis, keepDims);
  }

  /**
   * exp(x) over its sum along an axis (the last where left out), less the maximum first: no overflow. The shape stays.
   * @throws GmtlError `tensor/shape` for an axis that is none, `tensor/dtype` for integers.
   */
  softmax(axis = -1): Tensor {
    const last = this.shape.length - 1;
    const along = normalizeAxis('softmax', axis, last + 1);
    if (along === last) return this.engine.apply(softmax, [this], {});
    return this.engine.scope(() => this.transpose(along, last).softmax().transpose(along, last));
  }

  /**
   * The elements as another type (this very tensor where it has that type). Between f32 and f16 gradients flow; to and from integers the
   * result is outside the graph, fractions are cut off towards zero, and f16 goes by way of f32.
   */
  cast(dtype: DType): Tensor {
    if (dtype === this.dtype) return this;
    if (isFloat(dtype) && isFloat(this.dtype)) return this.engine.apply(floatCast, [this], { dtype });
    if (dtype === 'f16') return this.cast('f32').cast('f16');
    if (this.dtype === 'f16') return this.cast('f32').cast(dtype);
    return this.engine.apply(cast, [this], { dtype });
  }

  /**
   * The same elements in the same order under another shape; one extent may be -1. A view: no memory moves, and writing to one writes to both.
   * @throws GmtlError `tensor/shape` where the counts differ or more than one extent is -1.
   */
  reshape(shape: Shape): Tensor {
    const resolved = resolveReshape('reshape', this.shape, shape);
    return this.engine.view(reshape, this, resolved, { shape: resolved });
  }

  /**
   * Axis k of the result is axis `axes[k]` of this; a copy (torch.permute gives a view). To go from NCHW to NHWC: `permute([0, 2, 3, 1])`.
   * @throws GmtlError `tensor/shape` unless each axis is named once.
   */
  permute(axes: readonly number[]): Tensor {
    return this.engine.apply(permute, [this], { axes });
  }

  /**
   * Elements `start` to `end` (exclusive) along one axis, a copy; negative ones count from the back, an `end` past the last means the last.
   * @throws GmtlError `tensor/shape` where nothing is selected.
   */
  slice(axis: number, start: number, end: number): Tensor {
    const along = normalizeAxis('slice', axis, this.shape.length);
    const starts = this.shape.map((_, k) => (k === along ? start : 0));
    const ends = this.shape.map((extent, k) => (k === along ? end : extent));
    return this.engine.apply(slice, [this], { starts, ends });
  }

  /** In reverse along `axes`, as a copy (torch.flip). @throws GmtlError `tensor/shape` for an axis that is none or named twice. */
  flip(axes: readonly number[]): Tensor {
    return this.engine.apply(flip, [this], { axes });
  }

  /**
   * The elements at `index` (i32) along `axis`, as torch.gather: of the index's shape, whose other extents are at most this tensor's. An index
   * that is none of the axis gives NaN (of integers -2^31), since an error would have to wait for the device.
   * @throws GmtlError `tensor/shape` where the index does not fit, `tensor/dtype` where it is not i32.
   */
  gather(axis: number, index: Tensor): Tensor {
    const rank = this.shape.length;
    const along = normalizeAxis('gather', axis, rank);
    if (!(index instanceof Tensor) || index.shape.length !== rank)
      throw new GmtlError(
        'ops/inputs',
        `gather: the index is ${index instanceof Tensor ? index : show(index)}; it is an i32 tensor of ${rank} axes`,
      );
    return this.engine.scope(() => {
      const from = index.shape.reduce<Tensor>(
        (x, extent, at) => (at === along || extent >= x.shape[at] ? x : x.slice(at, 0, extent)),
        this,
      );
      return this.engine.apply(gather, [from, index], { axis: along });
    });
  }

  /**
   * The slices at the indices (i32, rank 1) along `axis`, in their order (torch.index_select). An index that is none of the axis gives NaN (of
   * integers -2^31).
   * @throws GmtlError `ops/inputs` for an index of another rank, `tensor/dtype` where it is not i32.
   */
  indexSelect(axis: number, index: Tensor): Tensor {
    if (!(index instanceof Tensor) || index.shape.length !== 1)
      throw new GmtlError(
        'ops/inputs',
        `indexSelect: the index is ${index instanceof Tensor ? index : show(index)}; it is an i32 tensor of one axis`,
      );
    return this.engine.apply(gather, [this, index], { axis });
  }

  /** Two axes exchanged (a copy). @throws GmtlError `tensor/shape` for an axis that is none. */
  transpose(first: number, second: number): Tensor {
    const rank = this.shape.length;
    const [a, b] = [normalizeAxis('transpose', first, rank), normalizeAxis('transpose', second, rank)];
    return this.permute(this.shape.map((_, k) => (k === a ? b : k === b ? a : k)));
  }

  /** Without the axes of extent 1, or without those of `axes` that have it; a view. @throws GmtlError `tensor/shape` for an axis that is none. */
  squeeze(axes?: readonly number[]): Tensor {
    const along = normalizeAxes('squeeze', axes, this.shape.length);
    return this.reshape(this.shape.filter((extent, axis) => extent !== 1 || !along.includes(axis)));
  }

  /** With a new axis of extent 1 at `axis` of the result; a view. @throws GmtlError `tensor/shape` for a place that is none. */
  unsqueeze(axis: number): Tensor {
    const at = normalizeAxis('unsqueeze', axis, this.shape.length + 1);
    return this.reshape(this.shape.toSpliced(at, 0, 1));
  }

  /**
   * The axes from `start` to `end` (inclusive; negative: from the back) as one: [2, 3, 4] with 1, 2 gives [2, 12]. A scalar becomes [1]. A view: no
   * memory moves.
   * @throws GmtlError `tensor/shape` for an axis that is none, `ops/attribute` where `start` lies behind `end`.
   */
  flatten(start = 0, end = -1): Tensor {
    const rank = this.shape.length;
    if (rank === 0) return this.reshape([1]);
    const [from, to] = [normalizeAxis('flatten', start, rank), normalizeAxis('flatten', end, rank)];
    if (from > to) throw new GmtlError('ops/attribute', `flatten: axis ${start} lies behind axis ${end}`);
    return this.reshape([
      ...this.shape.slice(0, from),
      sizeOf(this.shape.slice(from, to + 1)),
      ...this.shape.slice(to + 1),
    ]);
  }

  /**
   * Axes of extent 1, and new ones in front, stretched to `shape` (a copy); -1 keeps an extent.
   * @throws GmtlError `tensor/shape` where another extent would have to change.
   */
  expand(shape: Shape): Tensor {
    checkAttributes('expand', { shape: 'integers' }, { shape });
    const front = shape.length - this.shape.length;
    const wanted = shape.map((extent, axis) => (extent === -1 && axis >= front ? this.shape[axis - front] : extent));
    return sameShape(wanted, this.shape) ? this : this.engine.apply(expand, [this], { shape: wanted });
  }

  /** Pieces of `size` along an axis, the last perhaps shorter; or of the sizes given, which make up the extent. */
  split(size: number | readonly number[], axis = 0): Tensor[] {
    const along = normalizeAxis('split', axis, this.shape.length);
    if (typeof size === 'number') checkAttributes('split', { size: 'extent' }, { size });
    else checkAttributes('split', { sizes: 'integers' }, { sizes: size });
    const extent = this.shape[along];
    const sizes =
      typeof size === 'number'
        ? Array.from({ length: Math.ceil(extent / size) }, (_, k) => Math.min(size, extent - k * size))
        : size;
    const total = sizes.reduce((sum, each) => sum + each, 0);
    if (total !== extent || !sizes.every((each) => Number.isInteger(each) && each >= 0)) {
      throw new GmtlError(
        'ops/attribute',
        `split: sizes ${sizes.join(', ')} do not make up the ${extent} elements of axis ${axis}`,
      );
    }
    let end = 0;
    return sizes.map((each) => {
      end += each;
      return this.slice(along, end - each, end);
    });
  }

  /** Type and shape, as `Tensor f32[2, 3]`, for messages: no element is read. */
  toString(): string {
    return `Tensor ${this.dtype}${formatShape(this.shape)}`;
  }
}
