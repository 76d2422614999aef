// out[outOffset + sum index_k * outStride_k + column] = x[inOffset + sum index_k * inStride_k + column]
//
// The fast way of strided.wgsl where both sides have contiguous runs: a row is a run of `inner` groups of four elements, over a
// grid of up to five axes (numbers 0 to 4). `lanes` threads share a row: the grid's last axis. A thread walks many rows and steps from one to the next without
// dividing. Offsets and strides count groups of four. Values are moved as bit patterns.

// #include "common/grid.wgsl"
// #include "common/walk.wgsl"
// #include "common/sixAxes.wgsl"
// #include "common/storage.wgsl"

struct Uniforms {
  items: u32, share: u32, inner: u32, lanes: u32,
  extent1: u32, extent2: u32, extent3: u32, extent4: u32, extent5: u32,
  step0: u32, step1: u32, step2: u32, step3: u32, step4: u32, step5: u32,
  inOffset: u32, in0: u32, in1: u32, in2: u32, in3: u32, in4: u32,
  outOffset: u32, out0: u32, out1: u32, out2: u32, out3: u32, out4: u32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<Bits4>;
@group(0) @binding(2) var<storage, read_write> out: array<Bits4>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let span = spanOf(linearWorkgroup(workgroup, workgroups), u.share, u.items);
  var at = placeOf(span.begin + lane);
  for (var item = span.begin + lane; item < span.end; item += THREADS) {
    let source = u.inOffset + at.i0 * u.in0 + at.i1 * u.in1 + at.i2 * u.in2 + at.i3 * u.in3 + at.i4 * u.in4;
    let sink = u.outOffset + at.i0 * u.out0 + at.i1 * u.out1 + at.i2 * u.out2 + at.i3 * u.out3 + at.i4 * u.out4;
    for (var column = at.i5; column < u.inner; column += u.lanes) { out[sink + column] = x[source + column]; }
    at = placeAfter(at);
  }
}
