// out[n, y, x, c] = the four input pixels around the source position of (y, x), weighted bilinearly, NHWC.
//
// `lanes` threads share a pixel of the result and walk its items, channels one by one or in fours (common/width.wgsl; `channels` counts
// items): positions are worked out once per pixel. One thread takes a whole pixel on software adapters, neighboring threads take
// neighboring channels on GPUs.

// #include "common/grid.wgsl"
// #include "common/walk.wgsl"
// #include "common/sixAxes.wgsl"
// #include "common/width.wgsl"
// #include "common/linearSource.wgsl"

struct Uniforms {
  items: u32, share: u32, lanes: u32, channels: u32,
  extent1: u32, extent2: u32, extent3: u32, extent4: u32, extent5: u32,
  step0: u32, step1: u32, step2: u32, step3: u32, step4: u32, step5: u32,
  inHeight: i32, inWidth: i32, outHeight: i32, outWidth: i32,
  factorY: i32, shiftY: i32, denominatorY: i32, factorX: i32, shiftX: i32, denominatorX: i32,
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
    let pixel = (at.i2 * u32(u.outHeight) + at.i3) * u32(u.outWidth) + at.i4;
    let axisY = Axis(u.factorY, u.shiftY, u.denominatorY, u.inHeight, u.outHeight);
    let axisX = Axis(u.factorX, u.shiftX, u.denominatorX, u.inWidth, u.outWidth);
    let atY = numerator(axisY, i32(at.i3));
    let atX = numerator(axisX, i32(at.i4));
    let y0 = atY / u.denominatorY;
    let x0 = atX / u.denominatorX;
    let weightY = f32(atY - y0 * u.denominatorY) / f32(u.denominatorY);
    let weightX = f32(atX - x0 * u.denominatorX) / f32(u.denominatorX);
    let plane = i32(at.i2) * u.inHeight;
    let row0 = (plane + y0) * u.inWidth;
    let row1 = (plane + min(y0 + 1, u.inHeight - 1)) * u.inWidth;
    let x1 = min(x0 + 1, u.inWidth - 1);
    let p00 = u32(row0 + x0) * u.channels;
    let p01 = u32(row0 + x1) * u.channels;
    let p10 = u32(row1 + x0) * u.channels;
    let p11 = u32(row1 + x1) * u.channels;
    for (var channel = at.i5; channel < u.channels; channel += u.lanes) {
      let top = Number(x[p00 + channel]) * (1.0 - weightX) + Number(x[p01 + channel]) * weightX;
      let bottom = Number(x[p10 + channel]) * (1.0 - weightX) + Number(x[p11 + channel]) * weightX;
      out[pixel * u.channels + channel] = Item(top * (1.0 - weightY) + bottom * weightY);
    }
    at = placeAfter(at);
  }
}
