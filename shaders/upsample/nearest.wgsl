// out[n, y, x, c] = x[n, floor(y * inHeight / outHeight), floor(x * inWidth / outWidth), c], NHWC.
//
// `lanes` threads share a pixel of the result and walk its items, channels one by one or in fours (common/width.wgsl; `channels` counts
// items): positions are worked out once per pixel. One thread takes a whole pixel on software adapters, neighboring threads take
// neighboring channels on GPUs.

// #include "common/grid.wgsl"
// #include "common/walk.wgsl"
// #include "common/sixAxes.wgsl"
// #include "common/width.wgsl"
// #include "common/nearestSource.wgsl"

struct Uniforms {
  items: u32, share: u32, lanes: u32, channels: u32,
  extent1: u32, extent2: u32, extent3: u32, extent4: u32, extent5: u32,
  step0: u32, step1: u32, step2: u32, step3: u32, step4: u32, step5: u32,
  inHeight: u32, inWidth: u32, outHeight: u32, outWidth: u32,
  scaleY: f32, scaleX: f32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<Item>;
@group(0) @binding(2) var<storage, read_write> out: array<Item>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let span = spanOf(linearWorkgroup(workgroup, workgroups), u.share, u.items);
  var at = placeOf(span.begin + lane);
  for (var item = span.begin + lane; item < span.end; item += THREADS) {
    let pixel = (at.i2 * u.outHeight + at.i3) * u.outWidth + at.i4;
    let inX = nearestSource(at.i4, u.scaleX, u.inWidth);
    let inY = nearestSource(at.i3, u.scaleY, u.inHeight);
    let source = (at.i2 * u.inHeight + inY) * u.inWidth + inX;
    for (var channel = at.i5; channel < u.channels; channel += u.lanes) {
      out[pixel * u.channels + channel] = Item(Number(x[source * u.channels + channel]));
    }
    at = placeAfter(at);
  }
}
