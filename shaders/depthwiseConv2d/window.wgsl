// The formula, layouts and limits of rows.wgsl, for windows up to seven wide.
//
// A thread owns four channels of eight neighboring pixels of a row and takes a row of taps at a time, without a loop: SwiftShader blends all that a
// loop changes at each of its turns, which is 64 numbers in the loop of rows.wgsl, and runs it once more than it turns. Only the rows of taps are a
// loop, which ends in `break if`; rows outside are read as zeros, since it would run the taps of a skipped one too.

// #include "common/grid.wgsl"
// #include "common/only.wgsl"
// #include "common/storage.wgsl"
// #include "common/depthwiseRows.wgsl"

// Pixel x of the row whose first element (for this thread's channels) is at `row`; zero outside.
fn load(row: u32, x: i32, isRow: bool) -> vec4f {
  let isInside = isRow & (x >= 0) & (x < u.inWidth);
  return only(vec4f(source[row + u32(select(0, x, isInside)) * u.channels4]), isInside);
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = linearWorkgroup(workgroup, workgroups) * 64u + lane;
  if (i >= u.threads) { return; }
  let channel = i % u.channels4;
  let x = (i / u.channels4) % u.tiles * 8u;
  let line = i / (u.channels4 * u.tiles);
  let y = i32(line % u.outHeight);
  let image = line / u.outHeight;

  var sum0 = vec4f(0.0);
  if (u.hasBias != 0u) { sum0 = bias[channel]; }
  var sum1 = sum0;
  var sum2 = sum0;
  var sum3 = sum0;
  var sum4 = sum0;
  var sum5 = sum0;
  var sum6 = sum0;
  var sum7 = sum0;
  let step = u.tapStep * i32(u.channels4);
  var ky = 0;
  loop {
    let atY = y + ky - u.paddingY;
    let isRow = (atY >= 0) & (atY < u.inHeight);
    let row = (image * u32(u.inHeight) + u32(select(0, atY, isRow))) * u32(u.inWidth) * u.channels4 + channel;
    let first = i32(x) - u.paddingX;
    let tap = (u.tapFirst + ky * KERNEL_WIDTH * u.tapStep) * i32(u.channels4) + i32(channel);
    let r0 = load(row, first, isRow);
    let r1 = load(row, first + 1, isRow);
    let r2 = load(row, first + 2, isRow);
    let r3 = load(row, first + 3, isRow);
    let r4 = load(row, first + 4, isRow);
    let r5 = load(row, first + 5, isRow);
    let r6 = load(row, first + 6, isRow);
    let r7 = load(row, first + 7, isRow);
    var r8 = vec4f(0.0);
    var r9 = vec4f(0.0);
    var r10 = vec4f(0.0);
    var r11 = vec4f(0.0);
    var r12 = vec4f(0.0);
    var r13 = vec4f(0.0);
    {
      let w = vec4f(weight[u32(tap)]);
      sum0 = fma(r0, w, sum0);
      sum1 = fma(r1, w, sum1);
      sum2 = fma(r2, w, sum2);
      sum3 = fma(r3, w, sum3);
      sum4 = fma(r4, w, sum4);
      sum5 = fma(r5, w, sum5);
      sum6 = fma(r6, w, sum6);
      sum7 = fma(r7, w, sum7);
    }
    if (KERNEL_WIDTH > 1) {
      r8 = load(row, first + 8, isRow);
      let w = vec4f(weight[u32(tap + step)]);
      sum0 = fma(r1, w, sum0);
      sum1 = fma(r2, w, sum1);
      sum2 = fma(r3, w, sum2);
      sum3 = fma(r4, w, sum3);
      sum4 = fma(r5, w, sum4);
      sum5 = fma(r6, w, sum5);
      sum6 = fma(r7, w, sum6);
      sum7 = fma(r8, w, sum7);
    }
    if (KERNEL_WIDTH > 2) {
      r9 = load(row, first + 9, isRow);
      let w = vec4f(weight[u32(tap + 2 * step)]);
      sum0 = fma(r2, w, sum0);
      sum1 = fma(r3, w, sum1);
      sum2 = fma(r4, w, sum2);
      sum3 = fma(r5, w, sum3);
      sum4 = fma(r6, w, sum4);
      sum5 = fma(r7, w, sum5);
      sum6 = fma(r8, w, sum6);
      sum7 = fma(r9, w, sum7);
    }
    if (KERNEL_WIDTH > 3) {
      r10 = load(row, first + 10, isRow);
      let w = vec4f(weight[u32(tap + 3 * step)]);
      sum0 = fma(r3, w, sum0);
      sum1 = fma(r4, w, sum1);
      sum2 = fma(r5, w, sum2);
      sum3 = fma(r6, w, sum3);
      sum4 = fma(r7, w, sum4);
      sum5 = fma(r8, w, sum5);
      sum6 = fma(r9, w, sum6);
      sum7 = fma(r10, w, sum7);
    }
    if (KERNEL_WIDTH > 4) {
      r11 = load(row, first + 11, isRow);
      let w = vec4f(weight[u32(tap + 4 * step)]);
      sum0 = fma(r4, w, sum0);
      sum1 = fma(r5, w, sum1);
      sum2 = fma(r6, w, sum2);
      sum3 = fma(r7, w, sum3);
      sum4 = fma(r8, w, sum4);
      sum5 = fma(r9, w, sum5);
      sum6 = fma(r10, w, sum6);
      sum7 = fma(r11, w, sum7);
    }
    if (KERNEL_WIDTH > 5) {
      r12 = load(row, first + 12, isRow);
      let w = vec4f(weight[u32(tap + 5 * step)]);
      sum0 = fma(r5, w, sum0);
      sum1 = fma(r6, w, sum1);
      sum2 = fma(r7, w, sum2);
      sum3 = fma(r8, w, sum3);
      sum4 = fma(r9, w, sum4);
      sum5 = fma(r10, w, sum5);
      sum6 = fma(r11, w, sum6);
      sum7 = fma(r12, w, sum7);
    }
    if (KERNEL_WIDTH > 6) {
      r13 = load(row, first + 13, isRow);
      let w = vec4f(weight[u32(tap + 6 * step)]);
      sum0 = fma(r6, w, sum0);
      sum1 = fma(r7, w, sum1);
      sum2 = fma(r8, w, sum2);
      sum3 = fma(r9, w, sum3);
      sum4 = fma(r10, w, sum4);
      sum5 = fma(r11, w, sum5);
      sum6 = fma(r12, w, sum6);
      sum7 = fma(r13, w, sum7);
    }
    continuing {
      ky++;
      break if ky >= u.kernelHeight;
    }
  }

  let to = (line * u.outWidth + x) * u.channels4 + channel;
  let left = u.outWidth - x;
  store(to, sum0);
  if (left > 1u) { store(to + u.channels4, sum1); }
  if (left > 2u) { store(to + u.channels4 * 2u, sum2); }
  if (left > 3u) { store(to + u.channels4 * 3u, sum3); }
  if (left > 4u) { store(to + u.channels4 * 4u, sum4); }
  if (left > 5u) { store(to + u.channels4 * 5u, sum5); }
  if (left > 6u) { store(to + u.channels4 * 6u, sum6); }
  if (left > 7u) { store(to + u.channels4 * 7u, sum7); }
}
