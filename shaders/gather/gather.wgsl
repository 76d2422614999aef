// out[o, k, i] = x[o, index(o, k, i), i]: elements of x picked along one axis, the others before it (o) and behind it (i) taken together.
//
// index(o, k, i) = index[o * indexOuter + k * indexAlong + i * indexInner]: with strides of 0 one list serves all o and i. An index that is none
// of the axis gives `missing`. A thread owns elements of its workgroup's span of the result, a grid of the axes o, k and i, and steps from one
// to the next without dividing. Values are moved as bit patterns, so any type passes through.

// #include "common/grid.wgsl"
// #include "common/walk.wgsl"
// #include "common/sixAxes.wgsl"
// #include "common/storage.wgsl"

struct Uniforms {
  size: u32, share: u32, extent: u32, inner: u32,
  extent1: u32, extent2: u32, extent3: u32, extent4: u32, extent5: u32,
  step0: u32, step1: u32, step2: u32, step3: u32, step4: u32, step5: u32,
  indexOuter: u32, indexAlong: u32, indexInner: u32,
  missing: u32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<Bits>;
@group(0) @binding(2) var<storage, read> index: array<i32>;
@group(0) @binding(3) var<storage, read_write> out: array<Bits>;

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
    let k = place.i4;
    let i = place.i5;
    // Negative ones are large without their sign.
    let source = u32(index[o * u.indexOuter + k * u.indexAlong + i * u.indexInner]);
    var value = bitsOf(u.missing);
    if (source < u.extent) { value = x[(o * u.extent + source) * u.inner + i]; }
    out[at] = value;
    place = placeAfter(place);
  }
}
