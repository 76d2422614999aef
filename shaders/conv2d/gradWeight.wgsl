// partial[c, ky, kx, i, o] = sum over the output pixels p = c, c + chunks, c + 2 chunks, … of
//   x[n, py * stride + ky * dilation - padding, …, i] * gradOutput[p, o], i running within o's group.
//
// A thread owns one weight over one chunk of the N * OH * OW output pixels; reduce/sum adds the chunks up in order (fixed
// order, no atomics). The simple version: any kernel, stride, padding, dilation, groups.

// #include "common/grid.wgsl"
// #include "common/storage.wgsl"

struct Uniforms {
  size: u32,
  weights: u32,
  chunks: u32,
  pixels: u32,
  inHeight: i32,
  inWidth: i32,
  inChannels: u32,
  outHeight: u32,
  outWidth: u32,
  outChannels: u32,
  kernelWidth: u32,
  strideY: i32,
  strideX: i32,
  dilationY: i32,
  dilationX: i32,
  paddingY: i32,
  paddingX: i32,
  inPerGroup: u32,
  outPerGroup: u32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<Scalar>;
@group(0) @binding(2) var<storage, read> gradOutput: array<Scalar>;
@group(0) @binding(3) var<storage, read_write> partial: array<f32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = linearWorkgroup(workgroup, workgroups) * 64u + lane;
  if (i >= u.size) { return; }
  let weight = i % u.weights;
  let outChannel = weight % u.outChannels;
  let inChannel = (weight / u.outChannels) % u.inPerGroup + outChannel / u.outPerGroup * u.inPerGroup;
  let tap = weight / (u.outChannels * u.inPerGroup);
  let shiftX = i32(tap % u.kernelWidth) * u.dilationX - u.paddingX;
  let shiftY = i32(tap / u.kernelWidth) * u.dilationY - u.paddingY;

  var sum = 0.0;
  for (var p = i / u.weights; p < u.pixels; p += u.chunks) {
    let atX = i32(p % u.outWidth) * u.strideX + shiftX;
    let atY = i32((p / u.outWidth) % u.outHeight) * u.strideY + shiftY;
    if (atX < 0 || atX >= u.inWidth || atY < 0 || atY >= u.inHeight) { continue; }
    let image = i32(p / (u.outWidth * u.outHeight));
    let pixel = u32((image * u.inHeight + atY) * u.inWidth + atX);
    sum += f32(x[pixel * u.inChannels + inChannel]) * f32(gradOutput[p * u.outChannels + outChannel]);
  }
  partial[i] = sum;
}
