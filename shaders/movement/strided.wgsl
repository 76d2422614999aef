// out[outOffset + sum index_k * outStride_k] = x[inOffset + sum index_k * inStride_k] over a grid of up to six axes.
//
// One kernel for all movement: permute (permuted input strides), slice (an offset), expand (input stride 0), and writing into a
// part of a larger buffer (concat, pad). A thread owns several elements of its workgroup's span of the grid, and steps from one to the
// next without dividing. Values are moved as bit patterns, so any type passes through.

// #include "common/grid.wgsl"
// #include "common/walk.wgsl"
// #include "common/sixAxes.wgsl"
// #include "common/storage.wgsl"

struct Uniforms {
  size: u32, share: u32,
  extent1: u32, extent2: u32, extent3: u32, extent4: u32, extent5: u32,
  step0: u32, step1: u32, step2: u32, step3: u32, step4: u32, step5: u32,
  inOffset: u32, in0: u32, in1: u32, in2: u32, in3: u32, in4: u32, in5: u32,
  outOffset: u32, out0: u32, out1: u32, out2: u32, out3: u32, out4: u32, out5: u32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<Bits>;
@group(0) @binding(2) var<storage, read_write> out: array<Bits>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let span = spanOf(linearWorkgroup(workgroup, workgroups), u.share, u.size);
  var at = placeOf(span.begin + lane);
  for (var i = span.begin + lane; i < span.end; i += THREADS) {
    let source = u.inOffset + at.i0 * u.in0 + at.i1 * u.in1 + at.i2 * u.in2 + at.i3 * u.in3 + at.i4 * u.in4 + at.i5 * u.in5;
    let sink = u.outOffset + at.i0 * u.out0 + at.i1 * u.out1 + at.i2 * u.out2 + at.i3 * u.out3 + at.i4 * u.out4 + at.i5 * u.out5;
    out[sink] = x[source];
    at = placeAfter(at);
  }
}
