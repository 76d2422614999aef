// gradX[n, y, x, c] = sum of gradOutput over the block of outputs that read this pixel, NHWC. A gather: no atomics, fixed order.
//
// A thread owns one element of the result. The simple version: any number of channels.

// #include "common/grid.wgsl"
// #include "common/storage.wgsl"
// #include "common/nearestSource.wgsl"

struct Uniforms {
  pixels: u32, lanes: u32, channels: u32,
  inHeight: u32, inWidth: u32, outHeight: u32, outWidth: u32,
  scaleY: f32, scaleX: f32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> gradOutput: array<Scalar>;
@group(0) @binding(2) var<storage, read_write> gradX: array<Scalar>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let thread = linearWorkgroup(workgroup, workgroups) * 64u + lane;
  if (thread >= u.pixels * u.channels) { return; }
  let pixel = thread / u.channels;
  let readersX = nearestReaders(pixel % u.inWidth, u.scaleX, u.inWidth, u.outWidth);
  let readersY = nearestReaders((pixel / u.inWidth) % u.inHeight, u.scaleY, u.inHeight, u.outHeight);
  let plane = pixel / (u.inWidth * u.inHeight) * u.outHeight;
  let channel = thread % u.channels;
  {
    var sum = 0.0;
    for (var outY = readersY.x; outY < readersY.y; outY++) {
      for (var outX = readersX.x; outX < readersX.y; outX++) {
        sum += f32(gradOutput[((plane + outY) * u.outWidth + outX) * u.channels + channel]);
      }
    }
    gradX[pixel * u.channels + channel] = Scalar(sum);
  }
}
