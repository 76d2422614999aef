/** The engine: runs ops on a backend, builds the graph, owns the lifetimes of tensors. */
import { type ErrorCode, GmtlError, show } from '../errors.ts';
import { accumulateProgram } from '../ops/accumulate/program.ts';
import { type Backend, runProgram } from '../ops/backend.ts';
import { type Callable, mutated, type Op } from '../ops/definition.ts';
import { fillProgram } from '../ops/movement/convert.ts';
import { expandProgram } from '../ops/movement/program.ts';
import { checkAttributes } from '../arguments.ts';
import { castsFor, checkCount, declaredInput, type InputKinds, requireTypes } from '../ops/signature.ts';
import { TapBackend, type Taps } from '../ops/tapBackend.ts';
import type { Value } from '../ops/value.ts';
import { type HostData, hostArray } from '../tensor/hostData.ts';
import { Generator } from '../tensor/random.ts';
import { requireExtents } from '../tensor/shape.ts';
import { type DType, formatShape, isFloat, type Shape, sizeOf } from '../tensor/spec.ts';
import { backwardPass, inType } from './backwardPass.ts';
import { collectNodes, type Edge, GraphNode } from './graph.ts';
import { Tensor } from './tensor.ts';

/** The options of `tensor` and `empty`. */
const TENSOR_OPTIONS = { dtype: 'dtype?', requiresGrad: 'flag?', name: 'text?' } as const;

interface Scope {
  readonly tensors: Set<Tensor>;
}

/** The tensors in a result: a tensor, or plain objects, arrays and maps of tensors, nested to any depth. */
export function collectTensors(value: unknown, found = new Set<Tensor>()): Set<Tensor> {
  if (value instanceof Tensor) found.add(value);
  else if (Array.isArray(value)) for (const item of value) collectTensors(item, found);
  else if (value instanceof Map) for (const item of value.values()) collectTensors(item, found);
  else if (value !== null && typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype) {
    for (const item of Object.values(value)) collectTensors(item, found);
  }
  return found;
}

/** What a body does beside its dispatches, which a `Replay` does again at each of its runs. */
export interface HostEffects {
  /** Given to {@link Engine.atEachRun}; each has run once. */
  readonly actions: (() => void)[];
  /** Gradients that backward made, by the leaf that it gave them to. */
  readonly gradients: Map<Tensor, Tensor>;
  /** All tensors that it made, but gradients of leaves. */
  readonly made: Set<Tensor>;
}

/** Options of an {@link Engine}. */
export interface EngineOptions {
  /** Seed of initialization and of everything random that is given no seed of its own. Default 0. */
  readonly seed?: number;
}

/** Options of `Engine.backward` and `Tensor.backward`. */
export interface BackwardOptions {
  /** Keep what the graph saved, for another backward pass through it. Default false. */
  readonly retainGraph?: boolean;
}

/**
 * Runs ops on a backend, builds the graph, owns the lifetimes. One engine is current at a time (`setEngine`), as PyTorch has
 * one default device; tensors remember theirs.
 *
 * Memory: a tensor made inside `scope` is freed when the scope ends, unless it is returned or kept; one made outside lives
 * until `dispose`. Separately, the graph keeps what backward needs, until backward has used it or until no remaining tensor leads
 * to it.
 */
export class Engine {
  #backend: Backend;
  readonly generator: Generator;
  #gradEnabled = true;
  #observeNode: ((node: GraphNode) => void) | null = null;
  /** Collects what a body that is being captured does on the host. */
  #effects: HostEffects | null = null;
  readonly #scopes: Scope[] = [];

  constructor(backend: Backend, options: EngineOptions = {}) {
    if (typeof backend?.execute !== 'function') {
      throw new GmtlError(
        'autograd/engine',
        `the backend of an engine is ${show(backend)}: in Node use await createEngine()`,
      );
    }
    checkAttributes('Engine', { seed: 'integer?' }, options);
    this.#backend = backend;
    this.generator = new Generator(options.seed ?? 0);
  }

  /** Where ops run now: a GPU, the float64 references on the host, or nothing but shapes. */
  get backend(): Backend {
    return this.#backend;
  }

  /** Runs `body` and shows every execution to `taps`, for verification, counting, or finding the op that went wrong. */
  tapped<T>(taps: Taps, body: () => T): T {
    return this.onBackend(new TapBackend(this.#backend, taps), body);
  }

  /** Runs `body` on another backend, which must be able to read the values that this engine's tensors hold, or not read any. */
  onBackend<T>(backend: Backend, body: () => T): T {
    const previous = this.#backend;
    this.#backend = backend;
    try {
      return body();
    } finally {
      this.#backend = previous;
    }
  }

  /** Whether ops build a graph: false within `noGrad`. */
  get gradEnabled(): boolean {
    return this.#gradEnabled;
  }

  /**
   * A tensor holding `data` (row-major): a typed array, an array of numbers, or arrays of those nested to the tensor's own shape, as
   * torch.tensor takes them. Integers of 64 bits become i32. Without `dtype` it is f32 unless the data is of whole numbers by its class.
   * @throws GmtlError `tensor/shape` where the count does not fit the shape or nested arrays are of different lengths; `tensor/empty` for no
   * elements; `tensor/data` for what is not a number, or does not fit an integer type.
   */
  tensor(
    data: HostData,
    shape?: Shape,
    options: { dtype?: DType; requiresGrad?: boolean; name?: string } = {},
  ): Tensor {
    checkAttributes('tensor', TENSOR_OPTIONS, options);
    const host = hostArray('tensor', data, options.dtype);
    const wanted = shape ?? host.shape;
    requireExtents('tensor', wanted);
    if (host.data.length !== sizeOf(wanted)) {
      throw new GmtlError(
        'tensor/shape',
        `tensor: ${host.data.length} numbers do not fill shape ${formatShape(wanted)}`,
      );
    }
    requireDifferentiable('tensor', host.dtype, options.requiresGrad);
    const value = this.backend.upload({ shape: [...wanted], dtype: host.dtype }, host.data, options.name ?? 'tensor');
    return this.adopt(value, null, { requiresGrad: options.requiresGrad ?? false });
  }

  /**
   * A tensor with undefined content, which must be written before it is read; f32 unless `dtype` says otherwise.
   * @throws GmtlError `tensor/empty` and `tensor/shape` for extents that are none, `tensor/dtype` for integers that require a gradient.
   */
  empty(shape: Shape, options: { dtype?: DType; requiresGrad?: boolean; name?: string } = {}): Tensor {
    checkAttributes('empty', TENSOR_OPTIONS, options);
    requireExtents('empty', shape);
    requireDifferentiable('empty', options.dtype ?? 'f32', options.requiresGrad);
    const value = this.backend.allocate({ shape: [...shape], dtype: options.dtype ?? 'f32' }, options.name ?? 'tensor');
    return this.adopt(value, null, { requiresGrad: options.requiresGrad ?? false });
  }

  /**
   * Makes `value` (of this engine's backend) a tensor of its shape and type that the current scope owns; takes over the value's one reference.
   * `node` is the op that it comes from, null for a leaf. For what writes ops of its own: {@link tensor} makes tensors of numbers.
   */
  adopt(value: Value, node: GraphNode | null = null, options: { requiresGrad?: boolean } = {}): Tensor {
    const tensor = new Tensor(this, value, node, options.requiresGrad ?? false);
    this.#scopes.at(-1)?.tensors.add(tensor);
    this.#effects?.made.add(tensor);
    return tensor;
  }

  /** Applies an op and returns the tensor of its first output. Its other outputs are internal and freed unless saved for backward. */
  apply<A extends object>(op: Op<A>, inputs: readonly Tensor[], attributes: A): Tensor {
    const [first, ...rest] = this.applyAll(op, inputs, attributes);
    for (const tensor of rest) tensor.dispose();
    return first;
  }

  /**
   * Applies an op and returns the tensors of all its outputs. Gradients flow through the first only. Inputs, their element types and the
   * attributes are held against the op's signature before anything is recorded; where PyTorch would cast an input, it is cast.
   * @throws GmtlError `ops/inputs`, `ops/attribute`, `tensor/dtype`, `autograd/engine` or `tensor/freed`, which name the op and the input.
   */
  applyAll<A extends object>(op: Op<A>, inputs: readonly Tensor[], attributes: A): Tensor[] {
    if (!op?.forward?.signature)
      throw new GmtlError('ops/inputs', `apply was given ${show(op)}; it takes an op, as defineOp gives`);
    const { signature } = op.forward;
    this.#requireOwn(op.name, signature.inputs, inputs);
    checkAttributes(op.name, signature.attributes, attributes);
    const mutates = mutated(op.forward, inputs);
    if (mutates.length > 0) {
      const updated = inputs.map(({ value }) => value.spec);
      requireTypes(op.name, signature.inputs, updated, mutates);
    }
    const casts = castsFor(
      op.name,
      signature.inputs,
      inputs.map(({ dtype }) => dtype),
    );
    if (!casts) return this.#applyTo(op, inputs, attributes);
    const cast = inputs.map((input, index) => input.cast(casts[index] ?? input.dtype));
    try {
      return this.#applyTo(op, cast, attributes);
    } finally {
      cast.forEach((tensor, index) => {
        if (tensor !== inputs[index]) tensor.dispose();
      });
    }
  }

  #applyTo<A extends object>(op: Op<A>, inputs: readonly Tensor[], attributes: A): Tensor[] {
    const values = inputs.map((input) => input.value);
    const differentiated = this.#gradEnabled && inputs.some((input) => input.node !== null || input.requiresGrad);
    const program = differentiated ? op.forward : (op.inference ?? op.forward);
    const outputs = runProgram(this.backend, program, values, attributes);
    const node = this.#record(op, inputs, attributes, values, outputs);
    return outputs.map((output, index) => this.adopt(output, index === 0 ? node : null));
  }

  /** Throws unless `inputs` are as many tensors as `kinds` names, of this engine and not freed. */
  #requireOwn(op: string, kinds: InputKinds, inputs: readonly Tensor[]): void {
    checkCount(op, kinds, inputs.length);
    inputs.forEach((input, index) => {
      const problem = this.#problemOf(input);
      if (problem)
        throw new GmtlError(problem.code, `${op}: input ${declaredInput(kinds, index).name} ${problem.message}`);
    });
  }

  #problemOf(input: Tensor): { readonly code: ErrorCode; readonly message: string } | null {
    if (!(input instanceof Tensor))
      return { code: 'ops/inputs', message: `is ${show(input)}, not a tensor: make one with engine.tensor` };
    if (input.engine !== this)
      return {
        code: 'autograd/engine',
        message: 'belongs to another engine: read it with data() and make it anew with engine.tensor',
      };
    if (input.disposed || input.value.storage.freed)
      return { code: 'tensor/freed', message: `of shape ${formatShape(input.shape)} was already freed` };
    return null;
  }

  /**
   * A view of `tensor` under another shape with as many elements: no memory moves, and gradients flow through `op`'s backward.
   * @throws GmtlError `ops/inputs`, `ops/attribute`, `autograd/engine` or `tensor/freed`, as {@link applyAll}.
   */
  view<A extends object>(op: Op<A>, tensor: Tensor, shape: Shape, attributes: A): Tensor {
    const { signature } = op.forward;
    this.#requireOwn(op.name, signature.inputs, [tensor]);
    checkAttributes(op.name, signature.attributes, attributes);
    tensor.value.storage.retain();
    const value: Value = { spec: { shape, dtype: tensor.dtype }, storage: tensor.value.storage };
    return this.adopt(value, this.#record(op, [tensor], attributes, [tensor.value], [value]));
  }

  /**
   * Runs a program that is not a differentiable op (an optimizer step, a reduction over gradients). Inputs and attributes are held against its
   * signature as `applyAll` holds them; nothing is cast.
   */
  run<A extends object>(program: Callable<A>, inputs: readonly Tensor[], attributes: A): Tensor[] {
    if (!program?.signature)
      throw new GmtlError('ops/inputs', `run was given ${show(program)}; it takes a program with a signature`);
    const { name, signature } = program;
    this.#requireOwn(name, signature.inputs, inputs);
    checkAttributes(name, signature.attributes, attributes);
    const values = inputs.map((input) => input.value);
    requireTypes(
      name,
      signature.inputs,
      values.map(({ spec }) => spec),
    );
    return runProgram(this.backend, program, values, attributes).map((value) => this.adopt(value));
  }

  #record<A extends object>(
    op: Op<A>,
    inputs: readonly Tensor[],
    attributes: A,
    values: readonly Value[],
    outputs: readonly Value[],
  ): GraphNode | null {
    if (!this.#gradEnabled || !('backward' in op.gradient)) return null;
    const edges = inputs.map((input): Edge => {
      if (input.node) return { node: input.node };
      return input.requiresGrad ? { leaf: input } : null;
    });
    if (edges.every((edge) => edge === null)) return null;
    const node = new GraphNode(op as unknown as Op, attributes, edges, values, outputs);
    this.#observeNode?.(node);
    return node;
  }

  /**
   * Gradients of `root` (a scalar, or with `gradient` given any shape) with respect to every leaf it depends on are added to
   * the leaves' `grad`. Frees the graph as it goes, so that a second call on it throws; with `retainGraph` it is left whole for further
   * backward passes through it (as PyTorch's retain_graph), and the last of them frees it.
   */
  backward(root: Tensor, gradient?: Tensor, options: BackwardOptions = {}): void {
    checkAttributes('backward', { retainGraph: 'flag?' }, options);
    const { retainGraph = false } = options;
    const problem = this.#problemOf(root);
    if (problem) throw new GmtlError(problem.code, `backward: the tensor ${problem.message}`);
    const wrong = gradient === undefined ? null : this.#problemOf(gradient);
    if (wrong) throw new GmtlError(wrong.code, `backward: the gradient ${wrong.message}`);
    if (gradient && !isFloat(gradient.dtype)) {
      throw new GmtlError('tensor/dtype', `backward: the gradient is ${gradient.dtype}; it takes f32 or f16`);
    }
    const { node } = root;
    if (!node) {
      throw new GmtlError(
        'autograd/graph',
        'backward: this tensor depends on nothing that requires a gradient (or was made under noGrad)',
      );
    }
    if (node.released) {
      throw new GmtlError(
        'autograd/graph',
        'backward: this graph was already used, or freed with the scope that built it; run the forward pass again',
      );
    }
    if (gradient && formatShape(gradient.shape) !== formatShape(root.shape)) {
      throw new GmtlError(
        'tensor/shape',
        `backward: a gradient of shape ${formatShape(gradient.shape)} does not fit a tensor of shape ${formatShape(root.shape)}`,
      );
    }
    if (!gradient && sizeOf(root.shape) !== 1) {
      throw new GmtlError(
        'autograd/graph',
        `backward: a tensor of shape ${formatShape(root.shape)} is not a scalar; reduce it or pass a gradient`,
      );
    }
    const { backend } = this;
    gradient?.value.storage.retain();
    const seed = gradient
      ? inType(backend, gradient.value, root.dtype)
      : runProgram(backend, fillProgram, [], { shape: root.shape, value: 1, dtype: root.dtype })[0];

    backwardPass<Tensor>(backend, collectNodes(node), seed, retainGraph, (leaf, value) => this.#addToLeaf(leaf, value));
  }

  #addToLeaf(leaf: Tensor, value: Value): void {
    if (leaf.grad) {
      // A gradient that was set by hand may be the very one that backward was given.
      const isSame = leaf.grad.value.storage === value.storage;
      const added = isSame ? runProgram(this.backend, expandProgram, [value], { shape: value.spec.shape })[0] : value;
      runProgram(this.backend, accumulateProgram, [leaf.grad.value, added], {});
      if (isSame) added.storage.release();
      value.storage.release();
      return;
    }
    let gradient = inType(this.backend, value, leaf.dtype);
    if (gradient.storage.references > 1) {
      // Shared with another leaf's gradient: clipping scales gradients in place, so each leaf needs its own.
      const shared = gradient;
      [gradient] = runProgram(this.backend, expandProgram, [shared], { shape: shared.spec.shape });
      shared.storage.release();
    }
    leaf.grad = new Tensor(this, gradient, null, false);
    this.#effects?.gradients.set(leaf, leaf.grad);
  }

  /**
   * Frees every tensor made by `body` except those it returns (with the graphs that lead to them). Synchronous: a promise is refused.
   */
  scope<T>(body: () => T): T {
    const scope: Scope = { tensors: new Set() };
    this.#scopes.push(scope);
    const kept = new Set<Tensor>();
    try {
      const result = synchronous('scope', body);
      collectTensors(result, kept);
      return result;
    } finally {
      this.#scopes.pop();
      const outer = this.#scopes.at(-1);
      for (const tensor of scope.tensors) {
        if (kept.has(tensor)) outer?.tensors.add(tensor);
        else tensor.dispose();
      }
    }
  }

  /** Takes a tensor out of all scopes: it lives until `tensor.dispose()`. Parameters, inputs of a `Replay` and results that outlive a `scope` want it. */
  keep(tensor: Tensor): void {
    for (const scope of this.#scopes) scope.tensors.delete(tensor);
  }

  /** Runs `body`, which builds a graph, and shows each new node to `observe` (and to no observer outside): see `recompute`. */
  observingNodes<T>(observe: (node: GraphNode) => void, body: () => T): T {
    const previous = { observe: this.#observeNode, gradEnabled: this.#gradEnabled };
    this.#observeNode = observe;
    this.#gradEnabled = true;
    try {
      return body();
    } finally {
      this.#observeNode = previous.observe;
      this.#gradEnabled = previous.gradEnabled;
    }
  }

  /** Does `action` on the host, now and, within what a `Replay` captures, at each of its runs, after the device's part was submitted. */
  atEachRun(action: () => void): void {
    action();
    this.#effects?.actions.push(action);
  }

  /** Runs `body` and adds to `effects` what it does on the host. What a `Replay` calls. */
  collectingEffects<T>(effects: HostEffects, body: () => T): T {
    const previous = this.#effects;
    this.#effects = effects;
    try {
      return body();
    } finally {
      this.#effects = previous;
    }
  }

  /**
   * Runs `body` without building a graph, and gives its result: no memory is kept for a backward pass (torch.no_grad).
   * @throws GmtlError `autograd/scope` where the body returns a promise; what the body throws.
   */
  noGrad<T>(body: () => T): T {
    const previous = this.#gradEnabled;
    this.#gradEnabled = false;
    try {
      return synchronous('noGrad', body);
    } finally {
      this.#gradEnabled = previous;
    }
  }
}

/** Throws `tensor/dtype` where integers are to have a gradient, which they cannot. */
function requireDifferentiable(what: string, dtype: DType, requiresGrad = false): void {
  if (requiresGrad && !isFloat(dtype))
    throw new GmtlError('tensor/dtype', `${what}: a tensor of ${dtype} cannot require a gradient; make it f32`);
}

/** What `body` returns. Throws `autograd/scope` for a promise, whose work would run after all is over, and for what is not a function. */
function synchronous<T>(what: string, body: () => T): T {
  if (typeof body !== 'function') {
    throw new GmtlError('autograd/scope', `${what}: the body is ${show(body)}; it is a function: ${what}(() => …)`);
  }
  const result = body();
  if (!(result instanceof Promise)) return result;
  result.catch(() => undefined);
  throw new GmtlError('autograd/scope', `${what}: the body must be synchronous; read results back after it has ended`);
}
