/** 8-connected components of binary masks, by union-find over the runs of each row: linear in pixels, memory for the runs only. */

/** The components of a mask. */
export type Components = {
  readonly count: number;
  /** One entry per pixel: 0 outside, else the component's number 1..count, in the raster order of their first pixels. */
  readonly labels: Int32Array;
  /** Pixels of component n at `sizes[n - 1]`. */
  readonly sizes: Int32Array;
};

/** Non-zero pixels [from, to) of one row, as indices into the mask, and the run's place in the union-find forest. */
type Run = { readonly from: number; readonly to: number; readonly node: number };

/**
 * Number of 8-connected components of a mask. Needs memory for the runs only, so that a full-size frame that is all foreground
 * costs no more than an empty one.
 *
 * @param mask `width` × height entries, row by row, non-zero inside.
 */
export function countComponents(mask: ArrayLike<number>, width: number): number {
  const forest = new Forest();
  eachRowOfRuns(mask, width, forest, () => {});
  return forest.trees;
}

/** Numbers the 8-connected components of a mask (as `scipy.ndimage.label` with a 3 × 3 structure of ones does). */
export function labelComponents(mask: ArrayLike<number>, width: number): Components {
  const forest = new Forest();
  const runs: Run[] = [];
  eachRowOfRuns(mask, width, forest, (row) => {
    for (const run of row) runs.push(run);
  });
  const labels = new Int32Array(mask.length);
  const sizes = new Int32Array(forest.trees);
  const numbers = new Int32Array(forest.nodes);
  let count = 0;
  for (const { from, to, node } of runs) {
    const root = forest.root(node);
    if (numbers[root] === 0) numbers[root] = ++count;
    const label = numbers[root];
    labels.fill(label, from, to);
    sizes[label - 1] += to - from;
  }
  return { count, labels, sizes };
}

/** Disjoint sets with path halving. */
class Forest {
  trees = 0;
  readonly #parent: number[] = [];

  get nodes(): number {
    return this.#parent.length;
  }

  add(): number {
    this.trees++;
    return this.#parent.push(this.#parent.length) - 1;
  }

  root(node: number): number {
    const parent = this.#parent;
    let at = node;
    while (parent[at] !== at) {
      parent[at] = parent[parent[at]];
      at = parent[at];
    }
    return at;
  }

  join(first: number, second: number): void {
    const one = this.root(first);
    const other = this.root(second);
    if (one === other) return;
    this.#parent[Math.max(one, other)] = Math.min(one, other);
    this.trees--;
  }
}

function eachRowOfRuns(mask: ArrayLike<number>, width: number, forest: Forest, visit: (row: Run[]) => void): void {
  let above: Run[] = [];
  for (let start = 0; start < mask.length; start += width) {
    const row = runsOf(mask, start, Math.min(start + width, mask.length), forest);
    let next = 0;
    for (const { from, to, node } of row) {
      // Diagonal neighbours touch: the run above may end where this one begins, and begin where this one ends.
      while (next < above.length && above[next].to < from - width) next++;
      for (let index = next; index < above.length && above[index].from <= to - width; index++) {
        forest.join(above[index].node, node);
      }
    }
    visit(row);
    above = row;
  }
}

function runsOf(mask: ArrayLike<number>, start: number, end: number, forest: Forest): Run[] {
  const runs: Run[] = [];
  for (let at = start; at < end; at++) {
    if (mask[at] === 0) continue;
    const from = at;
    while (at < end && mask[at] !== 0) at++;
    runs.push({ from, to: at, node: forest.add() });
  }
  return runs;
}
