// Sums over rows by a workgroup of 256 lanes, for GPUs: COLUMNS items side by side (neighboring lanes read neighboring addresses) times
// 256 / COLUMNS rows at a time; the lanes of one column are added up in a tree, so always in the same order. COLUMNS is a power of two, at most 64.

override COLUMNS: u32 = 16u;

var<workgroup> tree: array<Number, 256>;

// The total of each column, valid in the first COLUMNS lanes. To be called in uniform control flow.
fn columnTotal(lane: u32, value: Number) -> Number {
  workgroupBarrier();
  tree[lane] = value;
  for (var width = 128u; width >= COLUMNS; width /= 2u) {
    workgroupBarrier();
    if (lane < width) { tree[lane] += tree[lane + width]; }
  }
  return tree[lane];
}
