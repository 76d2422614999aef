// gradX[o, s, i] = sum of gradOutput[o, k, i] over those k, in order, with index(o, k, i) = s (see gather.wgsl), written where there is such a k; the
// others were filled with 0. No atomics, fixed order: the same bits as gradient.wgsl.
//
// A thread owns one place of the list in one column: where a sum starts, it walks the links to the others (gradientLinks.wgsl) and writes it.

// #include "common/grid.wgsl"
// #include "common/storage.wgsl"

struct Uniforms {
  size: u32, count: u32, extent: u32, inner: u32,
  indexOuter: u32, indexAlong: u32, indexInner: u32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> gradOutput: array<Scalar>;
@group(0) @binding(2) var<storage, read> index: array<i32>;
@group(0) @binding(3) var<storage, read> links: array<u32>;
@group(0) @binding(4) var<storage, read_write> gradX: array<Scalar>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = linearWorkgroup(workgroup, workgroups) * 64u + lane;
  if (at >= u.size) { return; }
  let i = at % u.inner;
  var k = at / u.inner % u.count;
  let o = at / (u.inner * u.count);
  let first = o * u.indexOuter + i * u.indexInner;
  if (links[first + k * u.indexAlong] >= 0x80000000u) { return; }
  let s = u32(index[first + k * u.indexAlong]);
  var sum = 0.0;
  while (k < u.count) {
    sum += f32(gradOutput[(o * u.count + k) * u.inner + i]);
    k = links[first + k * u.indexAlong] & 0x7fffffffu;
  }
  gradX[(o * u.extent + s) * u.inner + i] = Scalar(sum);
}
