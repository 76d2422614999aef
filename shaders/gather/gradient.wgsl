// gradX[o, s, i] = sum of gradOutput[o, k, i] over those k, in order, with index(o, k, i) = s (see gather.wgsl). No atomics, fixed order.
//
// A thread owns one element of the result and reads all `count` indices of its column: neighbors share them. For a table of many rows that is most of
// the work: see gradientLinks.wgsl.

// #include "common/grid.wgsl"
// #include "common/storage.wgsl"

struct Uniforms {
  size: u32, count: u32, extent: u32, inner: u32,
  indexOuter: u32, indexAlong: u32, indexInner: u32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> gradOutput: array<Scalar>;
@group(0) @binding(2) var<storage, read> index: array<i32>;
@group(0) @binding(3) var<storage, read_write> gradX: array<Scalar>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = linearWorkgroup(workgroup, workgroups) * 64u + lane;
  if (at >= u.size) { return; }
  let i = at % u.inner;
  let s = i32(at / u.inner % u.extent);
  let o = at / (u.inner * u.extent);
  let first = o * u.indexOuter + i * u.indexInner;
  var sum = 0.0;
  for (var k = 0u; k < u.count; k++) {
    if (index[first + k * u.indexAlong] == s) { sum += f32(gradOutput[(o * u.count + k) * u.inner + i]); }
  }
  gradX[at] = Scalar(sum);
}
