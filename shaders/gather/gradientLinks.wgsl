// links[line, k] = the next place after k of the list with the same index, `count` where there is none. The highest bit is set of places that no sum
// starts at: those behind another one with their index, and those whose index is none of the axis. See gradientLinked.wgsl.
//
// A list is `count` indices, `along` apart; there is one for all columns, or one for each (see gather.wgsl). A thread owns one place and reads the
// list up to the next one like it: that is `count` squared per list at most, and not once for each element of x.

// #include "common/grid.wgsl"

struct Uniforms { size: u32, count: u32, extent: u32, indexAlong: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> index: array<i32>;
@group(0) @binding(2) var<storage, read_write> links: array<u32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = linearWorkgroup(workgroup, workgroups) * 64u + lane;
  if (at >= u.size) { return; }
  // Links lie as the indices do.
  let k = at / u.indexAlong % u.count;
  let first = at - k * u.indexAlong;
  let own = index[at];
  var before = 0u;
  while (before < k && index[first + before * u.indexAlong] != own) { before++; }
  var next = k + 1u;
  while (next < u.count && index[first + next * u.indexAlong] != own) { next++; }
  let starts = before == k && u32(own) < u.extent;
  links[at] = select(next | 0x80000000u, next, starts);
}
