/** Masks as lengths of runs: of forty photographs' masks, each of twelve million pixels, a tab could not hold the bytes. */

/** Lengths of the runs of equal pixels, row by row, the first of zeros (it may be empty). */
export function toRuns(mask: Uint8Array): Uint32Array {
  const runs: number[] = [];
  let value = 0;
  let from = 0;
  for (let at = 0; at <= mask.length; at++) {
    if (at < mask.length && (mask[at] !== 0 ? 1 : 0) === value) continue;
    runs.push(at - from);
    from = at;
    value = 1 - value;
  }
  return Uint32Array.from(runs);
}

/** The mask of `length` pixels, 0 or 1, again. */
export function fromRuns(runs: Uint32Array, length: number): Uint8Array {
  const mask = new Uint8Array(length);
  let from = 0;
  for (const [index, run] of runs.entries()) {
    if (index % 2 === 1) mask.fill(1, from, from + run);
    from += run;
  }
  return mask;
}
