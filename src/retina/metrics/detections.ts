/** Connected regions of truth and prediction, and which of them match. */
import { labelComponents } from './components.ts';
import type { Numbers } from './inputs.ts';

/** One image's lesion-level counts at every threshold of an ascending list (index k belongs to threshold k). */
export type DetectionCounts = {
  /** 8-connected components of the truth. */
  readonly lesions: number;
  /** Components of the truth that were found. */
  readonly found: Int32Array;
  /** 8-connected components of the prediction. */
  readonly detections: Int32Array;
  /** Components of the prediction that are false positives. */
  readonly falsePositives: Int32Array;
};

/** The masks to compare. `valid` 0 leaves a pixel out: it is neither truth nor prediction. */
export type DetectionInput = {
  /** Non-zero where the lesion is; `width` × height entries, row by row, like the other two. */
  readonly truth: Numbers;
  readonly probability: Numbers;
  readonly width: number;
  readonly valid?: Numbers;
};

/**
 * Counts found lesions and false detections at many thresholds in one sweep. A pixel is predicted where its probability >=
 * threshold. Lowering the threshold only adds pixels, so the components of the prediction grow and merge in one union-find, from
 * the highest threshold down: linear in pixels, whatever the number of thresholds (one pass over the TRUTH pixels at each).
 *
 * @param thresholds ascending, at most 255 of them.
 * @param minimumOverlap see `FrocOptions.minimumOverlap`: the share of a component that has to lie on its counterpart, both ways;
 *   with 0 a single pixel is enough.
 */
export function countDetections(
  { truth, probability, width, valid }: DetectionInput,
  thresholds: Numbers,
  minimumOverlap: number,
): DetectionCounts {
  const inside = new Uint8Array(truth.length);
  for (let pixel = 0; pixel < inside.length; pixel++) {
    inside[pixel] = truth[pixel] !== 0 && (valid === undefined || valid[pixel] !== 0) ? 1 : 0;
  }
  const { count: lesions, labels, sizes } = labelComponents(inside, width);
  const truthPixels = Int32Array.from(indicesOf(labels));
  const { order, ends } = pixelsByLevel(probability, thresholds, valid);
  const growth = new Growth(labels, width, order.length, minimumOverlap);

  const found = new Int32Array(thresholds.length);
  const detections = new Int32Array(thresholds.length);
  const falsePositives = new Int32Array(thresholds.length);
  const covered = new Int32Array(lesions);
  for (let level = thresholds.length - 1, at = 0; level >= 0; level--) {
    for (; at < ends[level]; at++) growth.add(order[at]);
    detections[level] = growth.components;
    falsePositives[level] = growth.falsePositives;
    covered.fill(0);
    for (const pixel of truthPixels) {
      if (growth.isOnMatch(pixel)) covered[labels[pixel] - 1]++;
    }
    for (let lesion = 0; lesion < lesions; lesion++) {
      if (overlaps(covered[lesion], sizes[lesion], minimumOverlap)) found[level]++;
    }
  }
  return { lesions, found, detections, falsePositives };
}

function overlaps(shared: number, size: number, minimumOverlap: number): boolean {
  return shared > 0 && shared >= minimumOverlap * size;
}

function* indicesOf(labels: Int32Array): Generator<number> {
  for (let pixel = 0; pixel < labels.length; pixel++) if (labels[pixel] !== 0) yield pixel;
}

/** Pixels at or above the lowest threshold, the highest level first; the pixels of level k end before `ends[k]`. */
function pixelsByLevel(
  probability: Numbers,
  thresholds: Numbers,
  valid?: Numbers,
): { order: Int32Array; ends: Int32Array } {
  const levels = thresholds.length;
  const level = new Uint8Array(probability.length);
  const counts = new Int32Array(levels + 1);
  for (let pixel = 0; pixel < level.length; pixel++) {
    if (valid !== undefined && valid[pixel] === 0) continue;
    // The number of thresholds at or below the value, by bisection.
    let low = 0;
    let high = levels;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (thresholds[middle] <= probability[pixel]) low = middle + 1;
      else high = middle;
    }
    level[pixel] = low;
    counts[low]++;
  }
  const next = new Int32Array(levels);
  let total = 0;
  for (let k = levels - 1; k >= 0; k--) {
    next[k] = total;
    total += counts[k + 1];
  }
  const order = new Int32Array(total);
  for (let pixel = 0; pixel < level.length; pixel++) {
    if (level[pixel] > 0) order[next[level[pixel] - 1]++] = pixel;
  }
  return { order, ends: next };
}

/** The growing components of the prediction. Nodes are numbered in the order in which pixels are added. */
class Growth {
  components = 0;
  falsePositives = 0;
  readonly #labels: Int32Array;
  readonly #width: number;
  readonly #minimumOverlap: number;
  /** Node + 1 of a pixel; 0 where it is not predicted (yet). */
  readonly #nodes: Int32Array;
  readonly #parent: Int32Array;
  readonly #size: Int32Array;
  readonly #shared: Int32Array;
  #added = 0;

  constructor(labels: Int32Array, width: number, capacity: number, minimumOverlap: number) {
    this.#labels = labels;
    this.#width = width;
    this.#minimumOverlap = minimumOverlap;
    this.#nodes = new Int32Array(labels.length);
    this.#parent = new Int32Array(capacity);
    this.#size = new Int32Array(capacity);
    this.#shared = new Int32Array(capacity);
  }

  add(pixel: number): void {
    const node = this.#added++;
    const nodes = this.#nodes;
    const width = this.#width;
    nodes[pixel] = node + 1;
    this.#parent[node] = node;
    this.#size[node] = 1;
    this.#shared[node] = this.#labels[pixel] === 0 ? 0 : 1;
    this.components++;
    if (!this.#isMatch(node)) this.falsePositives++;
    const column = pixel % width;
    const first = column === 0 ? 0 : -1;
    const last = column === width - 1 ? 0 : 1;
    for (let down = -width; down <= width; down += width) {
      for (let right = first; right <= last; right++) {
        const other = pixel + down + right;
        if (other >= 0 && other < nodes.length && nodes[other] !== 0) this.#join(node, nodes[other] - 1);
      }
    }
  }

  /** Whether a pixel lies in a predicted component that is a true detection. */
  isOnMatch(pixel: number): boolean {
    const node = this.#nodes[pixel] - 1;
    return node >= 0 && this.#isMatch(this.#root(node));
  }

  #isMatch(root: number): boolean {
    return overlaps(this.#shared[root], this.#size[root], this.#minimumOverlap);
  }

  #root(node: number): number {
    const parent = this.#parent;
    let at = node;
    while (parent[at] !== at) {
      parent[at] = parent[parent[at]];
      at = parent[at];
    }
    return at;
  }

  #join(first: number, second: number): void {
    let root = this.#root(first);
    let leaf = this.#root(second);
    if (root === leaf) return;
    if (this.#size[root] < this.#size[leaf]) [root, leaf] = [leaf, root];
    this.falsePositives -= (this.#isMatch(root) ? 0 : 1) + (this.#isMatch(leaf) ? 0 : 1);
    this.#parent[leaf] = root;
    this.#size[root] += this.#size[leaf];
    this.#shared[root] += this.#shared[leaf];
    if (!this.#isMatch(root)) this.falsePositives++;
    this.components--;
  }
}
