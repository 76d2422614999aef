// gradX[o, s, i] = sum of gradOutput[o, k, i] over those k, in order, with index(o, k, i) = s (see gather.wgsl). No atomics, fixed order.
//
// A thread owns elements of the result, as in gather.wgsl, and reads all `count` indices of the column of each: neighbors share them. For a table of many
// rows that is most of the work: see gradientLinks.wgsl.

// #include "common/grid.wgsl"
// #include "common/walk.wgsl"
// #include "common/sixAxes.wgsl"
// #include "common/storage.wgsl"

struct Uniforms {
  size: u32, share: u32, count: u32, inner: u32,
  extent1: u32, extent2: u32, extent3: u32, extent4: u32, extent5: u32,
  step0: u32, step1: u32, step2: u32, step3: u32, step4: u32, step5: u32,
  indexOuter: u32, indexAlong: u32, indexInner: u32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> gradOutput: array<Scalar>;
@group(0) @binding(2) var<storage, read> index: array<i32>;
@group(0) @binding(3) var<storage, read_write> gradX: array<Scalar>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let span = spanOf(linearWorkgroup(workgroup, workgroups), u.share, u.size);
  var place = placeOf(span.begin + lane);
  for (var at = span.begin + lane; at < span.end; at += THREADS) {
    let o = place.i3;
    let s = i32(place.i4);
    let i = place.i5;
    let first = o * u.indexOuter + i * u.indexInner;
    var sum = 0.0;
    for (var k = 0u; k < u.count; k++) {
      if (index[first + k * u.indexAlong] == s) { sum += f32(gradOutput[(o * u.count + k) * u.inner + i]); }
    }
    gradX[at] = Scalar(sum);
    place = placeAfter(place);
  }
}
