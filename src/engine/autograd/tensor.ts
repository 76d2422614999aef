/** The tensor that users hold: a value, its place in the graph, and the ops as methods. */
import { GmtlError } from '../errors.ts';
import { add, div, mul, sub } from '../ops/binary/op.ts';
import type { NoAttributes, Op } from '../ops/definition.ts';
import { matmul } from '../ops/matmul/op.ts';
import { cast, floatCast, permute, reshape, slice } from '../ops/movement/op.ts';
import type { ReduceAttributes } from '../ops/reduce/attributes.ts';
import { max, mean, sum } from '../ops/reduce/op.ts';
import type { UnaryName } from '../ops/unary/attributes.ts';
import { unaryOps } from '../ops/unary/op.ts';
import type { Value } from '../ops/value.ts';
import { normalizeAxis, resolveReshape } from '../tensor/shape.ts';
import { type DType, formatShape, isFloat, type Shape, sizeOf, type TypedArray } from '../tensor/spec.ts';
import type { BackwardOptions, Engine } from './engine.ts';
import type { GraphNode } from './graph.ts';

/**
 * An n-dimensional array on the engine's backend, row-major and contiguous, that remembers how it was computed.
 * The common functions are methods; those with weights or many options stand in src/engine/nn/functional.ts.
 */
export class Tensor {
  readonly engine: Engine;
  readonly value: Value;
  readonly node: GraphNode | null;
  /** Whether backward collects a gradient here. Settable on leaves. */
  requiresGrad: boolean;
  /** Sum of the gradients of all backward calls since it was last set to null. Only on leaves. */
  grad: Tensor | null = null;
  #disposed = false;

  constructor(engine: Engine, value: Value, node: GraphNode | null, requiresGrad: boolean) {
    this.engine = engine;
    this.value = value;
    this.node = node;
    node?.retain();
    this.requiresGrad = requiresGrad || node !== null;
  }

  get shape(): Shape {
    return this.value.spec.shape;
  }

  get dtype(): DType {
    return this.value.spec.dtype;
  }

  get size(): number {
    return sizeOf(this.shape);
  }

  get disposed(): boolean {
    return this.#disposed;
  }

  /** Reads the elements back: row-major, typed by dtype. Waits for everything recorded so far. */
  async data(): Promise<TypedArray> {
    const content = await this.engine.backend.download(this.value);
    if (!(content instanceof Float64Array)) return content;
    return isFloat(this.dtype)
      ? Float32Array.from(content)
      : this.dtype === 'u32'
        ? Uint32Array.from(content)
        : Int32Array.from(content);
  }

  /** The one element of a scalar tensor. */
  async item(): Promise<number> {
    if (this.size !== 1)
      throw new GmtlError(
        'tensor/shape',
        `item: a tensor of shape ${formatShape(this.shape)} has ${this.size} elements`,
      );
    return (await this.data())[0];
  }

  /** See `Engine.backward`. */
  backward(gradient?: Tensor, options: BackwardOptions = {}): void {
    this.engine.backward(this, gradient, options);
  }

  /** Overwrites the elements from the host, in place (an input buffer of a captured step, loaded weights). */
  write(data: TypedArray | Float64Array): this {
    if (this.#disposed)
      throw new GmtlError('tensor/freed', `write: this tensor of shape ${formatShape(this.shape)} was already freed`);
    this.engine.backend.write(this.value, data);
    return this;
  }

  /** The same memory outside the graph. */
  detach(): Tensor {
    if (this.#disposed)
      throw new GmtlError('tensor/freed', `detach: this tensor of shape ${formatShape(this.shape)} was already freed`);
    this.value.storage.retain();
    return this.engine.adopt(this.value);
  }

  /** Takes the tensor out of the current scopes: it lives until `dispose`. */
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

  /** scale * this + shift. */
  affine(scale: number, shift: number): Tensor {
    return this.engine.apply(unaryOps.affine, [this], { scale, shift });
  }

  add(other: Tensor | number): Tensor {
    return typeof other === 'number' ? this.affine(1, other) : this.#binary(add, other);
  }

  sub(other: Tensor | number): Tensor {
    return typeof other === 'number' ? this.affine(1, -other) : this.#binary(sub, other);
  }

  mul(other: Tensor | number): Tensor {
    return typeof other === 'number' ? this.affine(other, 0) : this.#binary(mul, other);
  }

  div(other: Tensor | number): Tensor {
    return typeof other === 'number' ? this.affine(1 / other, 0) : this.#binary(div, other);
  }

  neg(): Tensor {
    return this.affine(-1, 0);
  }

  // --- elementwise functions ---

  /** Exact (erf) form, as torch.nn.functional.gelu's default. */
  gelu(): Tensor {
    return this.#unary('gelu');
  }

  /** The tanh approximation (torch.nn.functional.gelu with approximate='tanh'). */
  geluTanh(): Tensor {
    return this.#unary('geluTanh');
  }

  relu(): Tensor {
    return this.#unary('relu');
  }

  silu(): Tensor {
    return this.#unary('silu');
  }

  sigmoid(): Tensor {
    return this.#unary('sigmoid');
  }

  tanh(): Tensor {
    return this.#unary('tanh');
  }

  exp(): Tensor {
    return this.#unary('exp');
  }

  log(): Tensor {
    return this.#unary('log');
  }

  sqrt(): Tensor {
    return this.#unary('sqrt');
  }

  square(): Tensor {
    return this.#unary('square');
  }

  // --- products, reductions, movement ---

  /** this · other over the last two axes; `other` may be one matrix for all leading axes. */
  matmul(other: Tensor): Tensor {
    return this.engine.apply(matmul, [this, other], {});
  }

  /** Sum over `axes` (all where left out). */
  sum(axes?: readonly number[], keepDims = false): Tensor {
    return this.engine.apply<ReduceAttributes>(sum, [this], { axes, keepDims });
  }

  /** Mean over `axes` (all where left out). */
  mean(axes?: readonly number[], keepDims = false): Tensor {
    return this.engine.apply<ReduceAttributes>(mean, [this], { axes, keepDims });
  }

  /** Maximum over `axes` (all where left out); equal maxima share the gradient evenly (torch.amax). */
  max(axes?: readonly number[], keepDims = false): Tensor {
    return this.engine.apply<ReduceAttributes>(max, [this], { axes, keepDims });
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

  /** The same elements under another shape; one extent may be -1. No memory moves. */
  reshape(shape: Shape): Tensor {
    const resolved = resolveReshape('reshape', this.shape, shape);
    return this.engine.view(reshape, this, resolved, { shape: resolved });
  }

  /** Axis k of the result is axis `axes[k]` of this. */
  permute(axes: readonly number[]): Tensor {
    return this.engine.apply(permute, [this], { axes });
  }

  /** Elements `start` to `end` (exclusive) along one axis. */
  slice(axis: number, start: number, end: number): Tensor {
    const along = normalizeAxis('slice', axis, this.shape.length);
    const starts = this.shape.map((_, k) => (k === along ? start : 0));
    const ends = this.shape.map((extent, k) => (k === along ? end : extent));
    return this.engine.apply(slice, [this], { starts, ends });
  }

  /** `Tensor f32[2, 3]`. */
  toString(): string {
    return `Tensor ${this.dtype}${formatShape(this.shape)}`;
  }
}
