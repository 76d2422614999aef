// As bilinear.wgsl, for software adapters: a thread owns one group of four channels of a whole row of the result and walks along it.
//
// Neighboring threads own neighboring channels, so they touch neighboring memory. The two source columns that lie around the
// position, each already blended between its two source rows, stay in registers: a column is loaded once per row, not once per tap, and
// positions move on by comparisons instead of divisions. `rows` counts rows of the result, `channels` groups of four.

// #include "common/grid.wgsl"
// #include "common/storage.wgsl"
// #include "common/linearSource.wgsl"

struct Uniforms {
  rows: u32, channels: u32,
  inHeight: i32, inWidth: i32, outHeight: i32, outWidth: i32,
  factorY: i32, shiftY: i32, denominatorY: i32, factorX: i32, shiftX: i32, denominatorX: i32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<Vec4>;
@group(0) @binding(2) var<storage, read_write> out: array<Vec4>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let thread = linearWorkgroup(workgroup, workgroups) * 64u + lane;
  if (thread >= u.rows * u.channels) { return; }
  let row = thread / u.channels;
  let channel = thread % u.channels;
  let atY = numerator(Axis(u.factorY, u.shiftY, u.denominatorY, u.inHeight, u.outHeight), i32(row) % u.outHeight);
  let y0 = atY / u.denominatorY;
  let weightY = f32(atY - y0 * u.denominatorY) / f32(u.denominatorY);
  let plane = i32(row) / u.outHeight * u.inHeight;
  let row0 = u32((plane + y0) * u.inWidth) * u.channels + channel;
  let row1 = u32((plane + min(y0 + 1, u.inHeight - 1)) * u.inWidth) * u.channels + channel;
  let axisX = Axis(u.factorX, u.shiftX, u.denominatorX, u.inWidth, u.outWidth);
  var x0 = 0;
  var left = vec4f(x[row0]) * (1.0 - weightY) + vec4f(x[row1]) * weightY;
  let second = u32(min(1, u.inWidth - 1)) * u.channels;
  var right = vec4f(x[row0 + second]) * (1.0 - weightY) + vec4f(x[row1 + second]) * weightY;
  for (var outX = 0; outX < u.outWidth; outX++) {
    var rest = numerator(axisX, outX) - x0 * u.denominatorX;
    while (rest >= u.denominatorX) {
      rest -= u.denominatorX;
      x0++;
      left = right;
      let next = u32(min(x0 + 1, u.inWidth - 1)) * u.channels;
      right = vec4f(x[row0 + next]) * (1.0 - weightY) + vec4f(x[row1 + next]) * weightY;
    }
    let weightX = f32(rest) / f32(u.denominatorX);
    out[(row * u32(u.outWidth) + u32(outX)) * u.channels + channel] = Vec4(left * (1.0 - weightX) + right * weightX);
  }
}
