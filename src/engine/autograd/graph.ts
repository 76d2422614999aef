/** The graph that backward walks: one node per op that was run with a gradient to follow. */
import { GmtlError } from '../errors.ts';
import type { Backend } from '../ops/backend.ts';
import { runProgram } from '../ops/backend.ts';
import type { BackwardContext, Differentiable, Op, Program } from '../ops/definition.ts';
import { declaredInput } from '../ops/signature.ts';
import type { Value } from '../ops/value.ts';
import { formatShape, type Shape, sizeOf, type TensorSpec } from '../tensor/spec.ts';
import type { Tensor } from './tensor.ts';

/** Where an input of a node came from: another node, or a leaf that collects gradients. */
export type Edge = { readonly node: GraphNode } | { readonly leaf: Tensor } | null;

/** What took away the values that nodes kept for backward, and can restore them. */
export interface Evicted {
  /** Restores the values of this node and of others. */
  restore(): void;
  /** Called when the node is no longer needed. */
  released(): void;
}

/** A value kept for backward, and the version of its memory then. */
interface Saved {
  readonly value: Value;
  readonly version: number;
}

let nextNodeId = 1;

/**
 * One executed op in the graph. Ids grow with time and inputs are always older than outputs, so descending ids are a valid
 * order for backward, which needs no recursion in deep graphs.
 */
export class GraphNode {
  readonly id = nextNodeId++;
  readonly op: Op;
  readonly attributes: object;
  readonly edges: readonly Edge[];
  readonly inputSpecs: readonly TensorSpec[];
  readonly outputSpecs: readonly TensorSpec[];
  #savedInputs: (Saved | undefined)[];
  #savedOutputs: (Saved | undefined)[];
  #evicted: Evicted | null = null;
  /** What was kept before it was evicted: for its versions, not its memory. */
  #before: readonly (Saved | undefined)[] = [];
  #released = false;
  /** Tensors that are this node's output, and nodes that have it as an input. */
  #references = 0;

  constructor(op: Op, attributes: object, edges: readonly Edge[], inputs: readonly Value[], outputs: readonly Value[]) {
    this.op = op;
    this.attributes = attributes;
    this.edges = edges;
    for (const edge of edges) if (edge && 'node' in edge) edge.node.retain();
    this.inputSpecs = inputs.map((input) => input.spec);
    this.outputSpecs = outputs.map((output) => output.spec);
    const { saves: declared } = op.gradient as Differentiable<object>;
    const saves = typeof declared === 'function' ? declared(attributes) : declared;
    const keep = (values: readonly Value[], indices: readonly number[] | undefined) =>
      values.map((value, index) => {
        if (!indices?.includes(index)) return undefined;
        value.storage.retain();
        return { value, version: value.storage.version };
      });
    this.#savedInputs = keep(inputs, saves.inputs);
    this.#savedOutputs = keep(outputs, saves.outputs);
  }

  get released(): boolean {
    return this.#released;
  }

  /** Drops what is kept for backward until `by` restores it. */
  evict(by: Evicted): void {
    this.#before = [...this.#savedInputs];
    this.#dropSaved();
    this.#evicted = by;
  }

  /** Takes over what `node`, the same op run again, keeps. */
  restoreFrom(node: GraphNode): void {
    if (this.#released) return;
    this.#savedInputs = node.#savedInputs;
    this.#savedOutputs = node.#savedOutputs;
    // What both runs read must not have changed between them.
    this.#savedInputs = this.#savedInputs.map((saved, index) => {
      const before = this.#before[index];
      return saved && before?.value.storage === saved.value.storage ? before : saved;
    });
    this.#before = [];
    node.#savedInputs = [];
    node.#savedOutputs = [];
    this.#evicted = null;
  }

  /**
   * Runs the op's backward. Returns one owned gradient per input (one reference each), or null. `takePending` hands over the gradient that an
   * input has already received, for an op that adds it to the one it returns.
   */
  backward(backend: Backend, gradOutput: Value, takePending: (index: number) => Value | null): (Value | null)[] {
    this.#evicted?.restore();
    this.#requireUnchanged();
    const temporaries: Value[] = [];
    const saved = (values: (Saved | undefined)[], index: number, what: string): Value => {
      const kept = values[index];
      if (!kept) throw new Error(`${this.op.name}: backward reads ${what} ${index}, which its \`saves\` does not list`);
      return kept.value;
    };
    const context: BackwardContext<object> = {
      attributes: this.attributes,
      input: (index) => saved(this.#savedInputs, index, 'input'),
      output: (index) => saved(this.#savedOutputs, index, 'output'),
      inputSpecs: this.inputSpecs,
      outputSpecs: this.outputSpecs,
      gradOutput,
      needs: (index) => this.edges[index] !== null,
      takePending,
      run: <B extends object>(program: Program<B>, inputs: readonly Value[], attributes: B): Value[] => {
        const outputs = runProgram(backend, program, inputs, attributes);
        temporaries.push(...outputs);
        return outputs;
      },
      reshape: (value: Value, shape: Shape): Value => {
        if (sizeOf(shape) !== sizeOf(value.spec.shape)) {
          throw new Error(`${this.op.name}: ${formatShape(value.spec.shape)} is not of shape ${formatShape(shape)}`);
        }
        return { spec: { shape, dtype: value.spec.dtype }, storage: value.storage };
      },
    };
    try {
      const gradients = (this.op.gradient as Differentiable<object>).backward(context);
      return this.edges.map((edge, index) => {
        const gradient = edge ? (gradients[index] ?? null) : null;
        gradient?.storage.retain();
        return gradient;
      });
    } finally {
      for (const value of temporaries) value.storage.release();
    }
  }

  /** Throws `autograd/changed` where a saved value was written to since. */
  #requireUnchanged(): void {
    for (const [index, saved] of [...this.#savedInputs, ...this.#savedOutputs].entries()) {
      if (!saved || saved.value.storage.version === saved.version) continue;
      const inputs = this.inputSpecs.length;
      const what =
        index < inputs
          ? `input ${declaredInput(this.op.forward.signature.inputs, index).name}`
          : `output ${index - inputs}`;
      throw new GmtlError(
        'autograd/changed',
        `backward: ${what} of ${this.op.name}, of shape ${formatShape(saved.value.spec.shape)}, was changed in place after the forward pass ` +
          '(by optimizer.step(), write() or another in-place op), so its gradient would be wrong: run backward first, or forward again',
      );
    }
  }

  retain(): void {
    this.#references++;
  }

  /** Gives up one reference. A graph that nothing leads to any more is freed, without recursion, since it may be deep. */
  drop(): void {
    const stack: GraphNode[] = [this];
    for (let node = stack.pop(); node; node = stack.pop()) {
      if (--node.#references > 0) continue;
      node.release();
      for (const edge of node.edges) if (edge && 'node' in edge) stack.push(edge.node);
    }
  }

  /** Drops what was kept for backward. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#dropSaved();
    this.#evicted?.released();
    this.#evicted = null;
  }

  #dropSaved(): void {
    for (const values of [this.#savedInputs, this.#savedOutputs]) {
      for (const saved of values) saved?.value.storage.release();
      values.length = 0;
    }
  }
}

/** All nodes that `root` depends on, newest first. Iterative: depth is bounded by memory, not by the call stack. */
export function collectNodes(root: GraphNode): GraphNode[] {
  const seen = new Set<GraphNode>([root]);
  const stack = [root];
  for (let node = stack.pop(); node; node = stack.pop()) {
    for (const edge of node.edges) {
      if (edge && 'node' in edge && !seen.has(edge.node)) {
        seen.add(edge.node);
        stack.push(edge.node);
      }
    }
  }
  return [...seen].sort((a, b) => b.id - a.id);
}
