// Sums over the 32 lanes that share a row, in workgroups of 256 threads = 8 rows. Fixed order: a tree.
// Must be called from uniform control flow by all threads of the workgroup.

const ROW_LANES = 32u;
const ROWS_PER_WORKGROUP = 8u;

var<workgroup> rowPartials: array<vec2f, 256>;

// Both components at once: one sum or two cost the same barriers.
fn rowSum(lane: u32, value: vec2f) -> vec2f {
  rowPartials[lane] = value;
  for (var half = ROW_LANES / 2u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (lane % ROW_LANES < half) { rowPartials[lane] += rowPartials[lane + half]; }
  }
  workgroupBarrier();
  let total = rowPartials[lane - lane % ROW_LANES];
  workgroupBarrier();
  return total;
}
