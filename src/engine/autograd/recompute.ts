/** Recomputes activations in backward instead of keeping them (gradient checkpointing). */
import { GmtlError } from '../errors.ts';
import type { GraphNode } from './graph.ts';
import { Tensor } from './tensor.ts';

/** The nodes of one recomputed region, in the order they were made, and what it takes to make them again. */
class Region {
  readonly #body: (...inputs: Tensor[]) => Tensor;
  /** The caller's inputs: their memory is kept, their graph is not. */
  readonly #inputs: readonly Tensor[];
  readonly #nodes: GraphNode[] = [];
  #released = 0;
  #complete = false;
  #done = false;

  constructor(body: (...inputs: Tensor[]) => Tensor, inputs: readonly Tensor[]) {
    this.#body = body;
    this.#inputs = inputs.map(({ engine, value, requiresGrad }) => {
      value.storage.retain();
      return new Tensor(engine, value, null, requiresGrad);
    });
  }

  /** Takes away from a new node what it keeps for backward. */
  add(node: GraphNode): void {
    const { forward } = node.op;
    if (forward.mutates?.length && (forward.mutatesWith?.(node.attributes) ?? true)) {
      throw new GmtlError(
        'autograd/recompute',
        `${node.op.name} changes a tensor in place, which running it twice would do twice: leave it out of what is recomputed`,
      );
    }
    this.#nodes.push(node);
    node.evict({
      restore: () => this.#restore(),
      released: () => {
        this.#released++;
        this.#letGo();
      },
    });
  }

  /** The forward pass is over. */
  complete(): void {
    this.#complete = true;
    this.#letGo();
  }

  /** Runs the body again and gives each node what it kept. */
  #restore(): void {
    const { engine } = this.#inputs[0];
    let at = 0;
    try {
      engine.scope(() => {
        engine.observingNodes(
          (node) => {
            const original = this.#nodes[at++];
            if (original?.op.name !== node.op.name) this.#differs(at - 1, node.op.name);
            original.restoreFrom(node);
          },
          () => void this.#body(...this.#inputs),
        );
      });
      if (at !== this.#nodes.length) this.#differs(at, 'nothing');
    } finally {
      this.#done = true;
      this.#letGo();
    }
  }

  #differs(at: number, found: string): never {
    throw new GmtlError(
      'autograd/recompute',
      `running the recomputed function again gave other ops: ${found} where op ${at} was ${this.#nodes[at]?.op.name ?? 'nothing'}; ` +
        'it must do the same both times',
    );
  }

  /** Frees the inputs once the region will not be run again. */
  #letGo(): void {
    if (!this.#done && !(this.#complete && this.#released === this.#nodes.length)) return;
    this.#done = true;
    for (const input of this.#inputs) input.dispose();
  }
}

/**
 * `body(...inputs)` without keeping what its backward needs: backward runs `body` once more to get it (gradient checkpointing, Chen et
 * al. 2016; as torch.utils.checkpoint with use_reentrant=False). Between forward and backward only the inputs take memory, at the cost of
 * the time of one more forward pass. The result, all gradients (including those of parameters that `body` uses) and the order in which they
 * are summed are the same bit for bit as without recomputation.
 *
 * `body` must run the same ops both times: it may read tensors that last (parameters, a `RandomSource`'s seeds, which change between
 * steps only), and nothing that is freed or overwritten before backward. May be nested and recorded.
 * @throws GmtlError `autograd/recompute` where an op in it changes a tensor (batch statistics), or, at backward, where the second run differs.
 */
export function recompute(body: (...inputs: Tensor[]) => Tensor, inputs: readonly Tensor[]): Tensor {
  if (typeof body !== 'function' || !Array.isArray(inputs) || !(inputs[0] instanceof Tensor))
    throw new GmtlError(
      'autograd/recompute',
      'recompute: give a function and the tensors that it works on: recompute(f, [x])',
    );
  const { engine } = inputs[0];
  if (!engine.gradEnabled) return engine.scope(() => body(...inputs));
  const region = new Region(body, inputs);
  try {
    return engine.scope(() =>
      engine.observingNodes(
        (node) => region.add(node),
        () => body(...inputs),
      ),
    );
  } finally {
    region.complete();
  }
}
