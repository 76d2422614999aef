/**
 * Number of 8-connected regions of a binary mask. Two neighbouring rows' runs are joined by union-find: one pass, memory for the runs
 * only, so a full-size frame that is all foreground costs no more than an empty one.
 *
 * @param mask `width` × height bytes, row by row, non-zero inside.
 */
export function countRegions(mask: Uint8Array, width: number): number {
  const parent: number[] = [];
  const find = (label: number): number => {
    let root = label;
    while (parent[root] !== root) {
      parent[root] = parent[parent[root]];
      root = parent[root];
    }
    return root;
  };
  let regions = 0;
  let above: Run[] = [];
  for (let start = 0; start < mask.length; start += width) {
    const runs = runsOf(mask, start, start + width);
    let next = 0;
    for (const run of runs) {
      run.label = parent.length;
      parent.push(run.label);
      regions++;
      // Diagonal neighbours touch: the run above may end one pixel before this one begins.
      while (next < above.length && above[next].to < run.from) next++;
      for (let index = next; index < above.length && above[index].from <= run.to; index++) {
        const other = find(above[index].label);
        const own = find(run.label);
        if (other !== own) {
          parent[own] = other;
          regions--;
        }
      }
    }
    above = runs;
  }
  return regions;
}

/** Columns [from, to) of one row that are inside. */
interface Run {
  readonly from: number;
  readonly to: number;
  label: number;
}

function runsOf(mask: Uint8Array, start: number, end: number): Run[] {
  const runs: Run[] = [];
  for (let at = start; at < end; at++) {
    if (mask[at] === 0) continue;
    const from = at;
    while (at < end && mask[at] !== 0) at++;
    runs.push({ from: from - start, to: at - start, label: -1 });
  }
  return runs;
}
