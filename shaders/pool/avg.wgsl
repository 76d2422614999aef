// out[n, y, x, c] = sum over the window of x, padding counting as zeros, divided by the window's elements: all of them
// (COUNT_PADDING = 1) or those within x. NHWC.
//
// `lanes` threads share an output pixel and walk its items, channels one by one or in fours (common/width.wgsl; `channels` counts
// items): the window is worked out once per pixel. One thread takes a whole pixel on software adapters, neighboring threads take
// neighboring channels on GPUs.

// #include "common/grid.wgsl"
// #include "common/walk.wgsl"
// #include "common/sixAxes.wgsl"
// #include "common/width.wgsl"

override KERNEL_Y: u32 = 2u;
override KERNEL_X: u32 = 2u;
override COUNT_PADDING: u32 = 1u;

struct Uniforms {
  items: u32, share: u32, lanes: u32, channels: u32,
  extent1: u32, extent2: u32, extent3: u32, extent4: u32, extent5: u32,
  step0: u32, step1: u32, step2: u32, step3: u32, step4: u32, step5: u32,
  inHeight: u32, inWidth: u32, outHeight: u32, outWidth: u32,
  strideY: u32, strideX: u32, paddingY: u32, paddingX: u32, dilationY: u32, dilationX: u32,
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
    let outX = at.i4;
    let outY = at.i3;
    let plane = at.i2 * u.inHeight * u.inWidth;
    let startY = i32(outY * u.strideY) - i32(u.paddingY);
    let startX = i32(outX * u.strideX) - i32(u.paddingX);
    for (var channel = at.i5; channel < u.channels; channel += u.lanes) {
      var sum = Number(0.0);
      var count = 0u;
      for (var ky = 0u; ky < KERNEL_Y; ky++) {
        let inY = u32(startY + i32(ky * u.dilationY));
        for (var kx = 0u; kx < KERNEL_X; kx++) {
          let inX = u32(startX + i32(kx * u.dilationX));
          // Indices below zero have wrapped to large ones.
          if (inY < u.inHeight && inX < u.inWidth) {
            sum += Number(x[(plane + inY * u.inWidth + inX) * u.channels + channel]);
            count++;
          }
        }
      }
      if (COUNT_PADDING == 1u) { count = KERNEL_Y * KERNEL_X; }
      out[pixel * u.channels + channel] = Item(sum / f32(count));
    }
    at = placeAfter(at);
  }
}
