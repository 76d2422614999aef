// out[n, y, x, c] = addend[n, y, x, c] + bias[c] + sum over ky, kx of source[n, y + ky - paddingY, x + kx - paddingX, c] * weight[ky, kx, c]
//
// Stride and dilation 1, any window. With tapStep -1 the taps are read in reverse, which makes it the input gradient (padding is then
// window - 1 - padding). Without hasBias or hasAddend these are 0 and their bindings hold other buffers.
// Layouts [N, H, W, C] and [KH, KW, C], C in fours.
//
// A thread owns four channels of eight neighboring pixels of a row and moves a window of eight registers along the row: each
// loaded pixel serves up to eight sums, each loaded weight all eight. Neighboring threads own neighboring channels, so loads
// coalesce on GPUs; on software adapters, where a load is dearer than the arithmetic, 56 multiply-adds cost 21 loads.

// #include "common/grid.wgsl"
// #include "common/storage.wgsl"
// #include "common/depthwiseRows.wgsl"

// Pixel x of the row whose first element (for this thread's channels) is at `row`; zero outside.
fn load(row: u32, x: i32) -> vec4f {
  let inside = x >= 0 && x < u.inWidth;
  return select(vec4f(0.0), vec4f(source[row + u32(select(0, x, inside)) * u.channels4]), inside);
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
  for (var ky = 0; ky < u.kernelHeight; ky++) {
    let atY = y + ky - u.paddingY;
    if (atY < 0 || atY >= u.inHeight) { continue; }
    let row = (image * u32(u.inHeight) + u32(atY)) * u32(u.inWidth) * u.channels4 + channel;
    let first = i32(x) - u.paddingX;
    var r0 = load(row, first);
    var r1 = load(row, first + 1);
    var r2 = load(row, first + 2);
    var r3 = load(row, first + 3);
    var r4 = load(row, first + 4);
    var r5 = load(row, first + 5);
    var r6 = load(row, first + 6);
    var r7 = load(row, first + 7);
    for (var kx = 0; kx < KERNEL_WIDTH; kx++) {
      let tap = u.tapFirst + (ky * KERNEL_WIDTH + kx) * u.tapStep;
      let w = vec4f(weight[u32(tap) * u.channels4 + channel]);
      sum0 = fma(r0, w, sum0);
      sum1 = fma(r1, w, sum1);
      sum2 = fma(r2, w, sum2);
      sum3 = fma(r3, w, sum3);
      sum4 = fma(r4, w, sum4);
      sum5 = fma(r5, w, sum5);
      sum6 = fma(r6, w, sum6);
      sum7 = fma(r7, w, sum7);
      r0 = r1;
      r1 = r2;
      r2 = r3;
      r3 = r4;
      r4 = r5;
      r5 = r6;
      r6 = r7;
      if (kx + 1 < KERNEL_WIDTH) { r7 = load(row, first + kx + 8); }
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
