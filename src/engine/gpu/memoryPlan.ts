/** Which of a captured step's temporary buffers may share memory. Pure: no device is touched. */

/** A buffer that the step uses from dispatch `first` to dispatch `last`, both included. */
export interface Lifetime {
  readonly bytes: number;
  readonly first: number;
  readonly last: number;
}

export interface MemoryPlan {
  /** For each lifetime, the index of the slot that it lies in. */
  readonly slotOf: readonly number[];
  /** Bytes of each slot: the largest buffer in it. */
  readonly slotBytes: readonly number[];
}

/** Lifetimes in one slot, ordered and disjoint. */
interface Slot {
  readonly bytes: number;
  readonly starts: number[];
  readonly ends: number[];
}

/** Where `start` belongs among ascending `starts`. */
function insertionPoint(starts: readonly number[], start: number): number {
  let low = 0;
  let high = starts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (starts[middle] < start) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Puts buffers of disjoint lifetimes into the same slot: the largest first, each into the free slot that it leaves idle for the fewest
 * dispatches ("greedy by size" with whole shared objects; Pisarchyk and Lee 2020, "Efficient Memory Management for Deep Neural Net
 * Inference"). Slots are whole buffers, not ranges of one arena: WebGPU forbids a dispatch to read one range of a buffer and write another.
 */
export function planMemory(lifetimes: readonly Lifetime[]): MemoryPlan {
  const order = lifetimes.map((_, index) => index);
  order.sort((a, b) => lifetimes[b].bytes - lifetimes[a].bytes || lifetimes[a].first - lifetimes[b].first || a - b);
  const slots: Slot[] = [];
  const slotOf = new Array<number>(lifetimes.length);
  for (const index of order) {
    const { bytes, first, last } = lifetimes[index];
    let best = -1;
    let bestWaste = Number.POSITIVE_INFINITY;
    let bestAt = 0;
    slots.forEach((slot, candidate) => {
      const at = insertionPoint(slot.starts, first);
      const before = at > 0 ? slot.ends[at - 1] : -1;
      const after = at < slot.starts.length ? slot.starts[at] : Number.POSITIVE_INFINITY;
      if (before >= first || after <= last) return;
      // A slot much larger than the buffer is kept for larger ones while there is a better fit.
      const waste = (slot.bytes - bytes) / bytes + Math.min(first - before, after - last) * 1e-6;
      if (waste < bestWaste) {
        best = candidate;
        bestWaste = waste;
        bestAt = at;
      }
    });
    if (best < 0) {
      slotOf[index] = slots.length;
      slots.push({ bytes, starts: [first], ends: [last] });
      continue;
    }
    slotOf[index] = best;
    slots[best].starts.splice(bestAt, 0, first);
    slots[best].ends.splice(bestAt, 0, last);
  }
  return { slotOf, slotBytes: slots.map(({ bytes }) => bytes) };
}
