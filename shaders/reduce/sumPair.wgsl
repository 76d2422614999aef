// firstOut[i] = sum over rows r of first[r, i], and secondOut[i] of second[r, i], r < extent in order: the second pass of two sums that
// come together (column sums, a split product and its bias), in one dispatch. No atomics, bitwise repeatable.
//
// A thread owns one item (common/width.wgsl) of one of the two: firstItems and then secondItems of them (secondItems is 0 where there is no
// second; its bindings then hold other buffers). firstOut may be float16.

// #include "common/grid.wgsl"
// #include "common/width.wgsl"

struct Uniforms { extent: u32, firstItems: u32, secondItems: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> first: array<Number>;
@group(0) @binding(2) var<storage, read> second: array<Number>;
@group(0) @binding(3) var<storage, read_write> firstOut: array<ResultItem>;
@group(0) @binding(4) var<storage, read_write> secondOut: array<Number>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = linearWorkgroup(workgroup, workgroups) * 64u + lane;
  if (i >= u.firstItems + u.secondItems) { return; }
  var total = Number(0.0);
  if (i < u.firstItems) {
    for (var r = 0u; r < u.extent; r++) { total += first[r * u.firstItems + i]; }
    firstOut[i] = ResultItem(total);
  } else {
    let at = i - u.firstItems;
    for (var r = 0u; r < u.extent; r++) { total += second[r * u.secondItems + at]; }
    secondOut[at] = total;
  }
}
