// As bilinearBackward.wgsl, for software adapters: a thread owns one group of four channels of a whole row of gradX and walks along the
// output rows that read it.
//
// Neighboring threads own neighboring channels. An output column, summed over those rows by their tents, is added to the two input
// columns around its position, which stay in registers until the walk has passed them: an output is loaded once for each row that it reads
// and no column twice. Fixed order. `rows` counts rows of gradX, `channels` groups of four.

// #include "common/grid.wgsl"
// #include "common/storage.wgsl"
// #include "common/linearSource.wgsl"

struct Uniforms {
  rows: u32, channels: u32,
  inHeight: i32, inWidth: i32, outHeight: i32, outWidth: i32,
  factorY: i32, shiftY: i32, denominatorY: i32, factorX: i32, shiftX: i32, denominatorX: i32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> gradOutput: array<Vec4>;
@group(0) @binding(2) var<storage, read_write> gradX: array<Vec4>;

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
  let axisY = Axis(u.factorY, u.shiftY, u.denominatorY, u.inHeight, u.outHeight);
  let axisX = Axis(u.factorX, u.shiftX, u.denominatorX, u.inWidth, u.outWidth);
  let inY = i32(row) % u.inHeight;
  let readersY = readers(axisY, inY);
  let plane = i32(row) / u.inHeight * u.outHeight;
  var at = row * u32(u.inWidth) * u.channels + channel;
  var x0 = 0;
  var left = vec4f(0.0);
  var right = vec4f(0.0);
  for (var outX = 0; outX < u.outWidth; outX++) {
    var rest = numerator(axisX, outX) - x0 * u.denominatorX;
    while (rest >= u.denominatorX) {
      rest -= u.denominatorX;
      x0++;
      gradX[at] = Vec4(left);
      at += u.channels;
      left = right;
      right = vec4f(0.0);
    }
    var sum = vec4f(0.0);
    for (var outY = readersY.x; outY <= readersY.y; outY++) {
      let source = u32((plane + outY) * u.outWidth + outX) * u.channels + channel;
      sum += tent(axisY, outY, inY) * vec4f(gradOutput[source]);
    }
    let weightX = f32(rest) / f32(u.denominatorX);
    left += sum * (1.0 - weightX);
    right += sum * weightX;
  }
  // Columns that the walk has not passed; past the last one right holds nothing.
  for (; x0 < u.inWidth; x0++) {
    gradX[at] = Vec4(left);
    at += u.channels;
    left = right;
    right = vec4f(0.0);
  }
}
