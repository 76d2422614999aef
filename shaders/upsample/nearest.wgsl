// out[n, y, x, c] = x[n, floor(y * inHeight / outHeight), floor(x * inWidth / outWidth), c], NHWC.
//
// `lanes` threads share a pixel of the result and walk its items, channels one by one or in fours (common/width.wgsl; `channels` counts
// items): positions are worked out once per pixel. One thread takes a whole pixel on software adapters, neighboring threads take
// neighboring channels on GPUs.

// #include "common/grid.wgsl"
// #include "common/width.wgsl"
// #include "common/nearestSource.wgsl"

struct Uniforms {
  pixels: u32, lanes: u32, channels: u32,
  inHeight: u32, inWidth: u32, outHeight: u32, outWidth: u32,
  scaleY: f32, scaleX: f32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<Item>;
@group(0) @binding(2) var<storage, read_write> out: array<Item>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let thread = linearWorkgroup(workgroup, workgroups) * 64u + lane;
  if (thread >= u.pixels * u.lanes) { return; }
  let pixel = thread / u.lanes;
  let inX = nearestSource(pixel % u.outWidth, u.scaleX, u.inWidth);
  let inY = nearestSource((pixel / u.outWidth) % u.outHeight, u.scaleY, u.inHeight);
  let source = (pixel / (u.outWidth * u.outHeight) * u.inHeight + inY) * u.inWidth + inX;
  for (var channel = thread % u.lanes; channel < u.channels; channel += u.lanes) {
    out[pixel * u.channels + channel] = Item(Number(x[source * u.channels + channel]));
  }
}
