// out[n, y, x, c] = max over the window of x; argmax = the winner's index inY * inWidth + inX in its plane, the first of equals.
// Padding never wins: it stands for PyTorch's -infinity. x, out, argmax are NHWC.
//
// A thread owns one output element. The simple version: any number of channels.

// #include "common/grid.wgsl"
// #include "common/storage.wgsl"

override KERNEL_Y: u32 = 2u;
override KERNEL_X: u32 = 2u;

struct Uniforms {
  outputs: u32, lanes: u32, channels: u32,
  inHeight: u32, inWidth: u32, outHeight: u32, outWidth: u32,
  strideY: u32, strideX: u32, paddingY: u32, paddingX: u32, dilationY: u32, dilationX: u32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<Scalar>;
@group(0) @binding(2) var<storage, read_write> out: array<Scalar>;
@group(0) @binding(3) var<storage, read_write> argmax: array<u32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let thread = linearWorkgroup(workgroup, workgroups) * 64u + lane;
  if (thread >= u.outputs * u.channels) { return; }
  let pixel = thread / u.channels;
  let outX = pixel % u.outWidth;
  let outY = (pixel / u.outWidth) % u.outHeight;
  let plane = pixel / (u.outWidth * u.outHeight) * u.inHeight * u.inWidth;
  let startY = i32(outY * u.strideY) - i32(u.paddingY);
  let startX = i32(outX * u.strideX) - i32(u.paddingX);
  let channel = thread % u.channels;
  {
    var best = f32(-3.4e38);
    var bestIndex = u32(0xffffffffu);
    for (var ky = 0u; ky < KERNEL_Y; ky++) {
      let inY = u32(startY + i32(ky * u.dilationY));
      for (var kx = 0u; kx < KERNEL_X; kx++) {
        let inX = u32(startX + i32(kx * u.dilationX));
        // Indices below zero have wrapped to large ones.
        if (inY < u.inHeight && inX < u.inWidth) {
          let index = inY * u.inWidth + inX;
          let value = f32(x[(plane + index) * u.channels + channel]);
          if (value > best) { best = value; bestIndex = index; }
        }
      }
    }
    out[pixel * u.channels + channel] = Scalar(best);
    argmax[pixel * u.channels + channel] = bestIndex;
  }
}
