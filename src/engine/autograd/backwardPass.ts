/** The backward pass: walks a graph from its newest node, and sums the gradients that meet. */
import { GmtlError } from '../errors.ts';
import { accumulateProgram } from '../ops/accumulate/program.ts';
import { type Backend, runProgram } from '../ops/backend.ts';
import { addProgram } from '../ops/binary/program.ts';
import { floatCastProgram } from '../ops/movement/convert.ts';
import type { Value } from '../ops/value.ts';
import type { DType } from '../tensor/spec.ts';

/** A node of the graph, as the pass sees it; what a leaf is, it need not know. */
interface PassNode<Leaf> {
  readonly op: { readonly name: string };
  readonly edges: readonly ({ readonly node: PassNode<Leaf> } | { readonly leaf: Leaf } | null)[];
  readonly released: boolean;
  /** One owned gradient per input, or null. See `GraphNode.backward`. */
  backward(backend: Backend, gradOutput: Value, takePending: (index: number) => Value | null): (Value | null)[];
  release(): void;
}

/**
 * @param nodes all that the first one depends on, newest first; each is released when it was walked, unless `retainGraph`.
 * @param seed the gradient of the first node's output. The pass takes it over.
 * @param addToLeaf called when all nodes were walked, once for each leaf, with a gradient that it takes over.
 * @throws GmtlError `autograd/graph` where a node was released before; nothing is held then.
 */
export function backwardPass<Leaf>(
  backend: Backend,
  nodes: readonly PassNode<Leaf>[],
  seed: Value,
  retainGraph: boolean,
  addToLeaf: (leaf: Leaf, gradient: Value) => void,
): void {
  const gradients = new Map<PassNode<Leaf>, Value>([[nodes[0], seed]]);
  const leaves = new Map<Leaf, Value>();
  try {
    for (const current of nodes) {
      const gradOutput = gradients.get(current);
      if (gradOutput) {
        if (current.released)
          throw new GmtlError(
            'autograd/graph',
            `backward: the part of the graph that ended in ${current.op.name} was already used, or freed with the scope that built it; ` +
              'run the forward pass again, or return from the scope every tensor whose graph is needed later',
          );
        const taken: Value[] = [];
        const takePending = (index: number): Value | null => {
          const edge = current.edges[index];
          const pending = edge && 'node' in edge ? gradients.get(edge.node) : undefined;
          if (!edge || !('node' in edge) || pending?.spec.dtype !== gradOutput.spec.dtype) return null;
          gradients.delete(edge.node);
          taken.push(pending);
          return pending;
        };
        try {
          current.backward(backend, gradOutput, takePending).forEach((inputGradient, index) => {
            const edge = current.edges[index];
            if (!inputGradient || !edge) return;
            if ('node' in edge) accumulate(backend, gradients, edge.node, inputGradient);
            else accumulate(backend, leaves, edge.leaf, inputGradient);
          });
        } finally {
          for (const value of taken) value.storage.release();
        }
        gradients.delete(current);
        gradOutput.storage.release();
      }
      if (!retainGraph) current.release();
    }
    for (const [leaf, value] of leaves) {
      leaves.delete(leaf);
      addToLeaf(leaf, value);
    }
  } finally {
    // Empty unless something threw on the way.
    for (const value of [...gradients.values(), ...leaves.values()]) value.storage.release();
  }
}

/** The one place where gradients are summed: in place where nobody else reads the memory. Takes over `value`. */
function accumulate<K>(backend: Backend, slots: Map<K, Value>, key: K, value: Value): void {
  const present = slots.get(key);
  if (!present) {
    slots.set(key, value);
  } else if (present.storage.references === 1) {
    runProgram(backend, accumulateProgram, [present, value], {});
    value.storage.release();
  } else {
    const like = inType(backend, value, present.spec.dtype);
    const [sum] = runProgram(backend, addProgram, [present, like], {});
    present.storage.release();
    like.storage.release();
    slots.set(key, sum);
  }
}

/** Takes over `value` and returns it in the given floating-point format, converted where it has another. */
export function inType(backend: Backend, value: Value, dtype: DType): Value {
  if (value.spec.dtype === dtype) return value;
  const [cast] = runProgram(backend, floatCastProgram, [value], { dtype });
  value.storage.release();
  return cast;
}
