/** Keeps the ONNX names of a trace's values, of images in NHWC, NCHW or both, and converts between the two where an op needs the other. */
import { GmtlError } from '../errors.ts';
import { permuteData } from '../nn/parameter.ts';
import type { Shape, TypedArray } from '../tensor/spec.ts';
import { float, type OnnxGraph } from './graph.ts';
import type { Extent, Follows, Traced } from './merge.ts';

/** A value that no step computes. */
export interface Constant {
  /** The name of the parameter; null: a constant of the forward pass. */
  readonly name: string | null;
  /** In the engine's layout. */
  readonly shape: Shape;
  readonly data: TypedArray;
  /** How a parameter lies in PyTorch's files: shape, and which axis of the engine's each axis is. */
  readonly external: { readonly shape: Shape; readonly order: readonly number[] } | null;
}

export type Layout = 'plain' | 'nchw';

export const TO_NCHW = [0, 3, 1, 2];
export const TO_NHWC = [0, 2, 3, 1];

const same = (a: readonly number[], b: readonly number[]): boolean => a.join() === b.join();
const isIdentity = (order: readonly number[]): boolean => order.every((axis, index) => axis === index);
const keyOf = (value: Traced): string => `${value.id}:${value.spec.shape}`;

export class Emitter {
  readonly graph: OnnxGraph;
  readonly #constants: ReadonlyMap<number, Constant>;
  /** Names by id and shape, in each layout. */
  readonly #names = new Map<string, Partial<Record<Layout, string>>>();
  /** A value of each id that has a name: what its views are made from. */
  readonly #bases = new Map<number, Traced>();
  readonly #parameters = new Map<number, string>();
  readonly #arranged = new Map<string, string>();
  /** Where each symbol can be read off: an input and an axis of it. */
  readonly #symbols = new Map<string, readonly [input: string, axis: number]>();

  constructor(graph: OnnxGraph, constants: ReadonlyMap<number, Constant>) {
    this.graph = graph;
    this.#constants = constants;
  }

  /** Says what a step's output, or an input, is called. */
  define(value: Traced, name: string, layout: Layout = 'plain'): void {
    const names = this.#names.get(keyOf(value)) ?? {};
    this.#names.set(keyOf(value), { ...names, [layout]: name });
    this.#bases.set(value.id, value);
  }

  /** Whether an image is at hand in NCHW but not in NHWC, so that an op that serves both should take it as it is. */
  prefersNchw(value: Traced): boolean {
    const names = this.#names.get(keyOf(value));
    return names?.nchw !== undefined && names.plain === undefined;
  }

  symbol(name: string, input: string, axis: number): void {
    if (!this.#symbols.has(name)) this.#symbols.set(name, [input, axis]);
  }

  /** The value in the engine's own layout. */
  plain(value: Traced): string {
    return this.#once(value, 'plain', () => {
      const constant = this.#constants.get(value.id);
      if (constant) {
        const own = { ...value, spec: { ...value.spec, shape: constant.shape } };
        const order = constant.shape.map((_, axis) => axis);
        return this.#reshaped(this.arranged(own, order), constant.shape, value);
      }
      const nchw = this.#names.get(keyOf(value))?.nchw;
      if (nchw !== undefined) return this.graph.node('Transpose', [nchw], { perm: TO_NHWC });
      const base = this.#bases.get(value.id);
      if (!base) throw new Error(`value ${value.id} is read before it is computed`);
      return this.#reshaped(this.plain(base), base.spec.shape, value);
    });
  }

  /** An image [N, H, W, C] as [N, C, H, W]. */
  nchw(value: Traced): string {
    return this.#once(value, 'nchw', () => {
      const constant = this.#constants.get(value.id);
      if (constant && same(constant.shape, value.spec.shape)) return this.arranged(value, TO_NCHW);
      return this.graph.node('Transpose', [this.plain(value)], { perm: TO_NCHW });
    });
  }

  /** In the layout that is asked for. */
  in(layout: Layout, value: Traced): string {
    return layout === 'nchw' ? this.nchw(value) : this.plain(value);
  }

  #once(value: Traced, layout: Layout, make: () => string): string {
    const known = this.#names.get(keyOf(value))?.[layout];
    if (known !== undefined) return known;
    const name = make();
    const names = this.#names.get(keyOf(value)) ?? {};
    this.#names.set(keyOf(value), { ...names, [layout]: name });
    return name;
  }

  #reshaped(name: string, from: Shape, to: Traced): string {
    return same(from, to.spec.shape) ? name : this.graph.node('Reshape', [name, this.shape(to.extents)]);
  }

  /**
   * A value with its axes in another order (axis k is the engine's axis `order[k]`) and, where given, another shape of as many elements. A
   * parameter is stored as PyTorch stores it, under its own name, and turned by nodes that a runtime computes once; other constants are
   * stored as they are asked for.
   */
  arranged(value: Traced, order: readonly number[], shape?: Shape): string {
    const key = `${value.id}:${order}:${shape}`;
    const known = this.#arranged.get(key);
    if (known !== undefined) return known;
    const name = this.#arrange(value, order, shape);
    this.#arranged.set(key, name);
    return name;
  }

  #arrange(value: Traced, order: readonly number[], shape: Shape | undefined): string {
    const constant = this.#constants.get(value.id);
    const permutedShape = order.map((axis) => value.spec.shape[axis]);
    const finish = (name: string, have: Shape): string => {
      const want = shape ?? permutedShape;
      return same(have, want) ? name : this.graph.node('Reshape', [name, this.graph.int64(want)]);
    };
    if (!constant) {
      const name = this.plain(value);
      return finish(isIdentity(order) ? name : this.graph.node('Transpose', [name], { perm: order }), permutedShape);
    }
    if (constant.external && constant.name !== null) {
      const { external } = constant;
      const stored = this.#parameter(value.id, constant.name, external.shape, constant, external.order);
      const perm = order.map((axis) => external.order.indexOf(axis));
      if (isIdentity(perm)) return finish(stored, external.shape);
      const bare = external.order.map((axis) => constant.shape[axis]);
      const matrix = same(bare, external.shape) ? stored : this.graph.node('Reshape', [stored, this.graph.int64(bare)]);
      return finish(this.graph.node('Transpose', [matrix], { perm }), permutedShape);
    }
    const data = isIdentity(order) ? constant.data : permuteData(constant.data, constant.shape, order);
    return this.graph.initializer(this.graph.unique('constant'), value.spec.dtype, shape ?? permutedShape, data);
  }

  #parameter(
    id: number,
    wanted: string,
    shape: Shape,
    { data, shape: own }: Constant,
    order: readonly number[],
  ): string {
    const known = this.#parameters.get(id);
    if (known !== undefined) return known;
    const turned = isIdentity(order) ? data : permuteData(data, own, order);
    const name = this.graph.initializer(this.graph.unique(wanted), 'f32', shape, turned);
    this.#parameters.set(id, name);
    return name;
  }

  /** A shape as a constant where it is fixed or follows in one place, else computed from the inputs' shapes. */
  shape(extents: readonly Extent[]): string {
    const open = extents.filter((extent) => typeof extent !== 'number').length;
    if (open <= 1) return this.graph.int64(extents.map((extent) => (typeof extent === 'number' ? extent : -1)));
    const unclear = extents.indexOf(null);
    return this.sizes(extents.map((extent, axis) => (axis === unclear ? -1 : extent)));
  }

  /** As {@link shape}, with every extent spelled out: for ops that know no -1. */
  sizes(extents: readonly Extent[]): string {
    if (extents.every((extent) => typeof extent === 'number')) return this.graph.int64(extents);
    const parts = extents.map((extent) => {
      if (typeof extent === 'number') return this.graph.int64([extent]);
      if (extent === null) {
        throw new GmtlError(
          'onnx/dynamic',
          'an extent follows several sizes of the inputs at once, which is not expressed: export with fewer dynamic axes',
        );
      }
      return this.#following(extent);
    });
    return this.graph.node('Concat', parts, { axis: 0 });
  }

  /** An extent as a computed [1]. */
  #following({ symbol, numerator, denominator }: Follows): string {
    const source = this.#symbols.get(symbol);
    if (!source) throw new Error(`no input has the axis "${symbol}"`);
    const key = `shape:${symbol}*${numerator}/${denominator}`;
    const known = this.#arranged.get(key);
    if (known !== undefined) return known;
    const [input, axis] = source;
    let name = this.graph.node('Shape', [input], { start: axis, end: axis + 1 });
    if (numerator !== 1) name = this.graph.node('Mul', [name, this.graph.int64([numerator])]);
    if (denominator !== 1) name = this.graph.node('Div', [name, this.graph.int64([denominator])]);
    this.#arranged.set(key, name);
    return name;
  }

  /** x * scale + shift, leaving out what changes nothing. */
  affine(name: string, scale: number, shift: number): string {
    const scaled = scale === 1 ? name : this.graph.node('Mul', [name, this.graph.scalar(scale)]);
    return shift === 0 ? scaled : this.graph.node('Add', [scaled, this.graph.scalar(shift)]);
  }

  /** The exact (erf) or the tanh form of GELU: an op from opset 20 on, composed before. */
  gelu(name: string, approximate: 'none' | 'tanh'): string {
    const { graph } = this;
    if (graph.opset >= 20) return graph.node('Gelu', [name], { approximate });
    const half = graph.node('Mul', [name, graph.scalar(0.5)]);
    if (approximate === 'none') {
      const erf = graph.node('Erf', [graph.node('Mul', [name, graph.scalar(Math.SQRT1_2)])]);
      return graph.node('Mul', [half, graph.node('Add', [erf, graph.scalar(1)])]);
    }
    const cube = graph.node('Mul', [graph.node('Mul', [name, name]), name]);
    const inner = graph.node('Add', [name, graph.node('Mul', [cube, graph.scalar(0.044715)])]);
    const tanh = graph.node('Tanh', [graph.node('Mul', [inner, graph.scalar(Math.sqrt(2 / Math.PI))])]);
    return graph.node('Mul', [half, graph.node('Add', [tanh, graph.scalar(1)])]);
  }

  /** LayerNormalization over the last axis. */
  layerNorm(inputs: readonly string[], epsilon: number): string {
    return this.graph.node('LayerNormalization', inputs, { axis: -1, epsilon: float(epsilon) });
  }
}
