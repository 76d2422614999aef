// gradX[n, y, x, c] = sum of weight * gradOutput over the outputs that read this pixel, NHWC. A gather: no atomics, fixed order; the
// weight is a tent along each axis.
//
// `lanes` threads share a pixel of the result and walk its items, channels one by one or in fours (common/width.wgsl; `channels` counts
// items): positions are worked out once per pixel. One thread takes a whole pixel on software adapters, neighboring threads take
// neighboring channels on GPUs. Up to eight channels that one thread takes one by one are kept side by side (common/shortRow.wgsl).

// #include "common/grid.wgsl"
// #include "common/walk.wgsl"
// #include "common/sixAxes.wgsl"
// #include "common/width.wgsl"
// #include "common/linearSource.wgsl"
// #include "common/shortRow.wgsl"

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

fn gradOutputRow(first: u32) -> Row {
  var row = Row(vec4f(0.0), vec4f(0.0));
  if (SHORT > 0u) { row.low.x = itemSum(Number(gradOutput[first])); }
  if (SHORT > 1u) { row.low.y = itemSum(Number(gradOutput[first + 1u])); }
  if (SHORT > 2u) { row.low.z = itemSum(Number(gradOutput[first + 2u])); }
  if (SHORT > 3u) { row.low.w = itemSum(Number(gradOutput[first + 3u])); }
  if (SHORT > 4u) { row.high.x = itemSum(Number(gradOutput[first + 4u])); }
  if (SHORT > 5u) { row.high.y = itemSum(Number(gradOutput[first + 5u])); }
  if (SHORT > 6u) { row.high.z = itemSum(Number(gradOutput[first + 6u])); }
  if (SHORT > 7u) { row.high.w = itemSum(Number(gradOutput[first + 7u])); }
  return row;
}

fn storeRow(first: u32, row: Row) {
  if (SHORT > 0u) { gradX[first] = Item(Number(row.low.x)); }
  if (SHORT > 1u) { gradX[first + 1u] = Item(Number(row.low.y)); }
  if (SHORT > 2u) { gradX[first + 2u] = Item(Number(row.low.z)); }
  if (SHORT > 3u) { gradX[first + 3u] = Item(Number(row.low.w)); }
  if (SHORT > 4u) { gradX[first + 4u] = Item(Number(row.high.x)); }
  if (SHORT > 5u) { gradX[first + 5u] = Item(Number(row.high.y)); }
  if (SHORT > 6u) { gradX[first + 6u] = Item(Number(row.high.z)); }
  if (SHORT > 7u) { gradX[first + 7u] = Item(Number(row.high.w)); }
}

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
    if (SHORT > 0u) {
      var sum = Row(vec4f(0.0), vec4f(0.0));
      for (var outY = readersY.x; outY <= readersY.y; outY++) {
        let weightY = tent(axisY, outY, inY);
        for (var outX = readersX.x; outX <= readersX.y; outX++) {
          let weight = weightY * tent(axisX, outX, inX);
          let row = gradOutputRow(u32((plane + outY) * u.outWidth + outX) * u.channels);
          sum.low += weight * row.low;
          sum.high += weight * row.high;
        }
      }
      storeRow(pixel * u.channels, sum);
    } else {
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
    }
    at = placeAfter(at);
  }
}
