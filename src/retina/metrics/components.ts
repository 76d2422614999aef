/** Connected components of binary masks, by union-find over the runs of each row: linear in pixels, memory for the runs only. */

/** The components of a mask. */
export type Components = {
  readonly count: number;
  /** One entry per pixel: 0 outside, else the component's number 1..count, in the raster order of their first pixels. */
  readonly labels: Int32Array;
  /** Pixels of component n at `sizes[n - 1]`. */
  readonly sizes: Int32Array;
};

/** Pixels [from, to) of ones of one row, as indices into the mask, and the run's place in the union-find forest. */
type Run = { readonly from: number; readonly to: number; readonly node: number };

/**
 * Number of 8-connected components of a mask, and of the pixels in them. Needs memory for the runs only, so that a full-size frame that is all
 * foreground costs no more than an empty one.
 *
 * @param mask `width` × height entries of 0 and 1, row by row.
 */
export function countComponents(mask: Uint8Array, width: number): { components: number; pixels: number } {
  const forest = new Forest();
  let pixels = 0;
  eachRowOfRuns(mask, width, 8, forest, (row) => {
    for (const { from, to } of row) pixels += to - from;
  });
  return { components: forest.trees, pixels };
}

/** Numbers the 8-connected components of a mask (as `scipy.ndimage.label` with a 3 × 3 structure of ones does). */
export function labelComponents(mask: Uint8Array, width: number): Components {
  const forest = new Forest();
  const runs: Run[] = [];
  eachRowOfRuns(mask, width, 8, forest, (row) => {
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

/** A component's pixels, and the columns and rows that it reaches, the last ones included. */
export interface ComponentExtent {
  pixels: number;
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** The extents of a mask's components, in no certain order. As {@link countComponents}. */
export function componentExtents(mask: Uint8Array, width: number, connectivity: Connectivity): ComponentExtent[] {
  const forest = new Forest();
  const runs: Run[] = [];
  eachRowOfRuns(mask, width, connectivity, forest, (row) => {
    for (const run of row) runs.push(run);
  });
  const extents = new Map<number, ComponentExtent>();
  for (const { from, to, node } of runs) {
    const root = forest.root(node);
    const top = Math.floor(from / width);
    const [left, right, pixels] = [from - top * width, to - 1 - top * width, to - from];
    const extent = extents.get(root);
    if (extent === undefined) extents.set(root, { pixels, left, top, right, bottom: top });
    else {
      extent.pixels += pixels;
      extent.left = Math.min(extent.left, left);
      extent.right = Math.max(extent.right, right);
      extent.bottom = top;
    }
  }
  return [...extents.values()];
}

/** Whether pixels that touch at a corner only belong together: 8; else 4. */
export type Connectivity = 4 | 8;

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

/** Visits the rows that have runs. The native search skips what is empty, which is nearly all of a lesion mask. */
function eachRowOfRuns(
  mask: Uint8Array,
  width: number,
  connectivity: Connectivity,
  forest: Forest,
  visit: (row: Run[]) => void,
): void {
  // How far a run reaches beyond its ends to those above and below it.
  const reach = connectivity === 8 ? 1 : 0;
  let above: Run[] = [];
  let aboveStart = 0;
  for (let at = mask.indexOf(1); at >= 0; ) {
    const start = at - (at % width);
    const row: Run[] = [];
    while (at >= 0 && at < start + width) {
      const from = at;
      while (at < start + width && mask[at] === 1) at++;
      row.push({ from, to: at, node: forest.add() });
      at = mask.indexOf(1, at);
    }
    if (aboveStart + width !== start) above = [];
    let next = 0;
    for (const { from, to, node } of row) {
      while (next < above.length && above[next].to + reach <= from - width) next++;
      for (let index = next; index < above.length && above[index].from < to - width + reach; index++) {
        forest.join(above[index].node, node);
      }
    }
    visit(row);
    above = row;
    aboveStart = start;
  }
}
