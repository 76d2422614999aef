// gradX[n, y, x, c] = sum of weight * gradOutput over the outputs that read this pixel, NHWC. A gather: no atomics, fixed order; the
// weight is a tent along each axis.
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
@group(0) @binding(1) var<storage, read> gradOutput: array<Item>;
@group(0) @binding(2) var<storage, read_write> gradX: array<Item>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let span = spanOf(linearWorkgroup(workgroup, workgroups), u.share, u.items);
  var at = placeOf(span.begin + lane);
  for (var item = span.begin + lane; item < span.end; item += THREADS) {
    let pixel = (at.i2 * u32(u.inHeight) + at.i3) * u32(u.inWidth) + at.i4;
    let axisY = Axis(u.factorY, u.shiftY, u.denominatorY, u.inHeight, u.outHeight);
    let axisX = Axis(u.factorX, u.shiftX, u.denominatorX, u.inWidth, u.outWidth);
    let inY = i32(at.i3);
    let inX = i32(at.i4);
    let readersY = readers(axisY, inY);
    let readersX = readers(axisX, inX);
    let plane = i32(at.i2) * u.outHeight;
    for (var channel = at.i5; channel < u.channels; channel += u.lanes) {
      var sum = Number(0.0);
      for (var outY = readersY.x; outY <= readersY.y; outY++) {
        let weightY = tent(axisY, outY, inY);
        for (var outX = readersX.x; outX <= readersX.y; outX++) {
          let weight = weightY * tent(axisX, outX, inX);
          sum += weight * Number(gradOutput[u32((plane + outY) * u.outWidth + outX) * u.channels + channel]);
        }
      }
      gradX[pixel * u.channels + channel] = Item(sum);
    }
    at = placeAfter(at);
  }
}
