/** Finds the images that show the same picture without comparing all with all. */
import { compareFingerprints, DEFAULT_SIMILARITY, type Fingerprint, type SimilarityLimits } from './fingerprint.ts';
import { differingBits, packLook, type PackedLooks, PIXELS, SUMS, WORDS } from './packedLooks.ts';

/** Two images, by their places in the list, that show the same picture. */
export interface SamePair {
  readonly earlier: number;
  readonly later: number;
  readonly relation: 'identical' | 'similar';
}

/**
 * All pairs for which {@link compareFingerprints} finds a relation, in the order of the later image, then of the earlier one. Images of the same bytes must
 * have the same look.
 */
export function samePairs(
  fingerprints: readonly Fingerprint[],
  limits: SimilarityLimits = DEFAULT_SIMILARITY,
): SamePair[] {
  const contents = contentsOf(fingerprints);
  const pairs: SamePair[] = [];
  for (const places of contents) {
    for (const [index, later] of places.entries()) {
      for (const earlier of places.slice(0, index)) pairs.push({ earlier, later, relation: 'identical' });
    }
  }
  for (const [one, other] of similarContents(contents, fingerprints, limits)) {
    for (const a of one) {
      for (const b of other) {
        pairs.push({ earlier: Math.min(a, b), later: Math.max(a, b), relation: 'similar' });
      }
    }
  }
  return pairs.sort((a, b) => a.later - b.later || a.earlier - b.earlier);
}

/**
 * Groups images that show the same picture (transitively).
 *
 * @returns for each image the index of the first image of its group.
 */
export function groupSamePictures(
  fingerprints: readonly Fingerprint[],
  limits: SimilarityLimits = DEFAULT_SIMILARITY,
): Int32Array {
  const parent = Int32Array.from({ length: fingerprints.length }, (_, index) => index);
  const find = (index: number): number => {
    let root = index;
    while (parent[root] !== root) root = parent[root];
    // The way is shortened, or chains of copies would make it quadratic.
    for (let at = index; at !== root; ) [at, parent[at]] = [parent[at], root];
    return root;
  };
  const join = (one: number, other: number): void => {
    const [a, b] = [find(one), find(other)];
    parent[Math.max(a, b)] = Math.min(a, b);
  };
  const contents = contentsOf(fingerprints);
  for (const places of contents) for (const place of places) join(places[0], place);
  for (const [one, other] of similarContents(contents, fingerprints, limits)) join(one[0], other[0]);
  return parent.map((_, index) => find(index));
}

/** The places of each content, in their order. */
function contentsOf(fingerprints: readonly Fingerprint[]): number[][] {
  const contents = new Map<string, number[]>();
  for (const [place, { sha256 }] of fingerprints.entries()) {
    const known = contents.get(sha256);
    if (known) known.push(place);
    else contents.set(sha256, [place]);
  }
  return [...contents.values()];
}

/**
 * Pairs of contents that look the same.
 *
 * The looks are sorted by their sum of gray values. Same pictures' sums differ by no more than their gray values together may, so each is compared with a
 * window of its neighbors alone; there the sums of 64 blocks, which are bounded likewise, and the hash bits put away nearly all before pixels are looked at.
 * All three are necessary conditions of what {@link compareFingerprints} asks: no pair is lost.
 */
function* similarContents(
  contents: readonly number[][],
  fingerprints: readonly Fingerprint[],
  limits: SimilarityLimits,
): Generator<readonly [number[], number[]]> {
  const seen = contents.filter(([first]) => fingerprints[first].thumbnail !== null);
  const total = (places: readonly number[]): number =>
    (fingerprints[places[0]].thumbnail as Uint8Array).reduce((sum, gray) => sum + gray, 0);
  const totals = new Map(seen.map((places) => [places, total(places)]));
  const order = seen.sort((a, b) => (totals.get(a) as number) - (totals.get(b) as number));
  const sorted = Int32Array.from(order, (places) => totals.get(places) as number);
  const packed: PackedLooks = {
    sums: new Int16Array(order.length * SUMS),
    bits: new Int32Array(order.length * WORDS),
  };
  for (const [at, [first]] of order.entries()) packLook(fingerprints[first].thumbnail as Uint8Array, packed, at);
  // One more than the bound, so that its rounding cannot matter.
  const most = Math.floor(limits.meanGray * PIXELS) + 1;
  for (let one = 0; one < order.length; one++) {
    for (let other = one + 1; other < order.length && sorted[other] - sorted[one] <= most; other++) {
      if (!areSumsNear(packed.sums, one, other, most)) continue;
      if (differingBits(packed.bits, one, other) > limits.hashBits) continue;
      const [a, b] = [order[one], order[other]];
      if (compareFingerprints(fingerprints[a[0]], fingerprints[b[0]], limits) === 'similar') yield [a, b];
    }
  }
}

function areSumsNear(sums: Int16Array, one: number, other: number, most: number): boolean {
  let difference = 0;
  const [a, b] = [one * SUMS, other * SUMS];
  for (let index = 0; index < SUMS; index++) {
    difference += Math.abs(sums[a + index] - sums[b + index]);
    if (difference > most) return false;
  }
  return true;
}
