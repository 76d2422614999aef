// sumPair.wgsl for GPUs: a workgroup of 256 lanes owns COLUMNS items of one of the two sums (common/columnTree.wgsl), a lane every
// (256 / COLUMNS)-th row, four at a time. The first `firstBlocks` workgroups take the first sum.

// #include "common/grid.wgsl"
// #include "common/width.wgsl"
// #include "common/columnTree.wgsl"

struct Uniforms { extent: u32, firstItems: u32, secondItems: u32, firstBlocks: u32, workgroups: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> first: array<Number>;
@group(0) @binding(2) var<storage, read> second: array<Number>;
@group(0) @binding(3) var<storage, read_write> firstOut: array<ResultItem>;
@group(0) @binding(4) var<storage, read_write> secondOut: array<Number>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups);
  if (index >= u.workgroups) { return; }
  let isFirst = index < u.firstBlocks;
  let items = select(u.secondItems, u.firstItems, isFirst);
  let column = (index - select(u.firstBlocks, 0u, isFirst)) * COLUMNS + lane % COLUMNS;
  let at = min(column, items - 1u);
  let stride = 256u / COLUMNS;
  var row = lane / COLUMNS;
  var sum0 = Number(0.0);
  var sum1 = Number(0.0);
  var sum2 = Number(0.0);
  var sum3 = Number(0.0);
  if (isFirst) {
    for (; row + 3u * stride < u.extent; row += 4u * stride) {
      sum0 += first[at + row * items];
      sum1 += first[at + (row + stride) * items];
      sum2 += first[at + (row + 2u * stride) * items];
      sum3 += first[at + (row + 3u * stride) * items];
    }
    for (; row < u.extent; row += stride) { sum0 += first[at + row * items]; }
  } else {
    for (; row + 3u * stride < u.extent; row += 4u * stride) {
      sum0 += second[at + row * items];
      sum1 += second[at + (row + stride) * items];
      sum2 += second[at + (row + 2u * stride) * items];
      sum3 += second[at + (row + 3u * stride) * items];
    }
    for (; row < u.extent; row += stride) { sum0 += second[at + row * items]; }
  }
  let total = columnTotal(lane, (sum0 + sum1) + (sum2 + sum3));
  if (lane >= COLUMNS || column >= items) { return; }
  if (isFirst) { firstOut[column] = ResultItem(total); } else { secondOut[column] = total; }
}
