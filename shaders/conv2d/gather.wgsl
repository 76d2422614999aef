// to[n, y, x, o] = relu?(bias[o] + sum over taps (ky, kx) and channels r of o's group of from[n, y', x', r] * weight[ky, kx, r, o]) + addend[n, y, x, o]
//   y' = (y * multiplyY + ky * tapY + offsetY) / divideY where that is whole and within the image, else the tap adds nothing; x' alike.
//
// One formula for a convolution (multiply = stride, tap = dilation, offset = -padding, divide = 1) and for its input gradient,
// which is the transposed convolution (multiply = 1, tap = -dilation, offset = padding, divide = stride). `to` and `from` are
// [N, H, W, C]; weight is read by strides, so that the gradient needs no transposed copy.
//
// The simple version: a thread owns one element of `to`. Any kernel, stride, padding, dilation, groups.

// #include "common/grid.wgsl"
// #include "common/storage.wgsl"
// #include "common/relu.wgsl"

struct Uniforms {
  size: u32,
  toHeight: u32,
  toWidth: u32,
  toChannels: u32,
  fromHeight: i32,
  fromWidth: i32,
  fromChannels: u32,
  kernelHeight: i32,
  kernelWidth: i32,
  multiplyY: i32,
  multiplyX: i32,
  tapY: i32,
  tapX: i32,
  offsetY: i32,
  offsetX: i32,
  divideY: i32,
  divideX: i32,
  fromPerGroup: u32,
  toPerGroup: u32,
  tapStride: u32,
  fromStride: u32,
  toStride: u32,
  groupStride: u32,
  hasBias: u32,
  relu: u32,
  hasAddend: u32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> source: array<Scalar>;
@group(0) @binding(2) var<storage, read> weight: array<Scalar>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> addend: array<Scalar>;
@group(0) @binding(5) var<storage, read_write> out: array<Scalar>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = linearWorkgroup(workgroup, workgroups) * 64u + lane;
  if (i >= u.size) { return; }
  let channel = i % u.toChannels;
  let pixel = i / u.toChannels;
  let x = i32(pixel % u.toWidth);
  let y = i32((pixel / u.toWidth) % u.toHeight);
  let image = i32(pixel / (u.toWidth * u.toHeight));
  let section = channel / u.toPerGroup;
  let weightBase = (channel % u.toPerGroup) * u.toStride + section * u.groupStride;

  var sum = 0.0;
  for (var ky = 0; ky < u.kernelHeight; ky++) {
    let atY = y * u.multiplyY + ky * u.tapY + u.offsetY;
    if (atY < 0 || atY % u.divideY != 0 || atY / u.divideY >= u.fromHeight) { continue; }
    for (var kx = 0; kx < u.kernelWidth; kx++) {
      let atX = x * u.multiplyX + kx * u.tapX + u.offsetX;
      if (atX < 0 || atX % u.divideX != 0 || atX / u.divideX >= u.fromWidth) { continue; }
      let fromPixel = u32((image * u.fromHeight + atY / u.divideY) * u.fromWidth + atX / u.divideX);
      let fromBase = fromPixel * u.fromChannels + section * u.fromPerGroup;
      let tapBase = weightBase + u32(ky * u.kernelWidth + kx) * u.tapStride;
      for (var r = 0u; r < u.fromPerGroup; r++) {
        sum += f32(source[fromBase + r]) * f32(weight[tapBase + r * u.fromStride]);
      }
    }
  }
  if (u.hasBias != 0u) { sum += bias[channel]; }
  if (u.relu != 0u) { sum = relu(sum); }
  if (u.hasAddend != 0u) { sum += f32(addend[i]); }
  out[i] = Scalar(sum);
}
