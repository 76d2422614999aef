import { GmtlError } from '../errors.ts';
import type { Value } from '../ops/value.ts';
import { type DType, formatShape, type Shape, sizeOf, type TypedArray } from '../tensor/spec.ts';
import type { Engine } from './engine.ts';
import type { GraphNode } from './graph.ts';

/**
 * An n-dimensional array on the engine's backend, row-major and contiguous, that remembers how it was computed.
 * Differentiable functions of tensors stand in src/nn/functional.ts and, the common ones, as methods added in src/autograd/methods.ts.
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
    return this.dtype === 'f32'
      ? Float32Array.from(content)
      : this.dtype === 'u32'
        ? Uint32Array.from(content)
        : Int32Array.from(content);
  }

  /** The one element of a scalar tensor. */
  async item(): Promise<number> {
    if (this.size !== 1)
      throw new GmtlError('shape', `item: a tensor of shape ${formatShape(this.shape)} has ${this.size} elements`);
    return (await this.data())[0];
  }

  /** See `Engine.backward`. */
  backward(gradient?: Tensor): void {
    this.engine.backward(this, gradient);
  }

  /** Overwrites the elements from the host, in place (an input buffer of a captured step, loaded weights). */
  write(data: TypedArray | Float64Array): this {
    if (this.#disposed)
      throw new GmtlError('freed', `write: this tensor of shape ${formatShape(this.shape)} was already freed`);
    this.engine.backend.write(this.value, data);
    return this;
  }

  /** The same memory outside the graph. */
  detach(): Tensor {
    if (this.#disposed)
      throw new GmtlError('freed', `detach: this tensor of shape ${formatShape(this.shape)} was already freed`);
    this.value.storage.retain();
    return this.engine.adopt(this.value);
  }

  /** Takes the tensor out of the current scopes: it lives until `dispose`. */
  keep(): this {
    this.engine.keep(this);
    return this;
  }

  /** Gives up this handle; the memory goes when nothing else (graph, views) holds it. Harmless twice. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.value.storage.release();
    this.grad?.dispose();
    this.grad = null;
  }

  /** `Tensor f32[2, 3]`. */
  toString(): string {
    return `Tensor ${this.dtype}${formatShape(this.shape)}`;
  }
}
