// out[a, b, c] = source[a * strideOuter + b * strideMiddle + c * strideInner] where b < sourceMiddle and c < sourceInner, else 0
//
// out is [size / (middle * inner), middle, inner], contiguous. It pads channels to fours with zeros, cuts them off again, and
// transposes weights: what the product kernels want before and after. A thread owns one element; sizes are small beside the
// convolution's own work.

// #include "common/grid.wgsl"
// #include "common/storage.wgsl"

struct Uniforms {
  size: u32,
  middle: u32,
  inner: u32,
  sourceMiddle: u32,
  sourceInner: u32,
  strideOuter: u32,
  strideMiddle: u32,
  strideInner: u32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> source: array<Scalar>;
@group(0) @binding(2) var<storage, read_write> out: array<Scalar>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = linearWorkgroup(workgroup, workgroups) * 64u + lane;
  if (i >= u.size) { return; }
  let c = i % u.inner;
  let b = (i / u.inner) % u.middle;
  let a = i / (u.inner * u.middle);
  var value = 0.0;
  if (b < u.sourceMiddle && c < u.sourceInner) {
    value = f32(source[a * u.strideOuter + b * u.strideMiddle + c * u.strideInner]);
  }
  out[i] = Scalar(value);
}
