// partial[k, ky, kx, c] = sum over the output rows (n, y) of chunk k and their pixels of
//   x[n, y + ky - paddingY, px + kx - paddingX, c] * gradOutput[n, y, px, c]
// partialSums[k, c] = sum over the same of gradOutput[n, y, px, c], the bias's gradient
//
// Stride and dilation 1, windows up to seven wide. Layouts [N, H, W, C] and [KH, KW, C], C in fours. A chunk is the rows k,
// k + chunks, k + 2 chunks, …; reduce/sumPair adds the chunks up in order.
//
// A thread owns four channels of one row of taps (seven sums) over one chunk. It walks along each row four pixels at a time with a
// window of x in registers: 28 multiply-adds cost eight loads, each pixel is loaded once. Neighboring threads own
// neighboring channels.

// #include "common/grid.wgsl"
// #include "common/storage.wgsl"

override KERNEL_WIDTH: u32 = 7u;

struct Uniforms {
  threads: u32,
  channels4: u32,
  kernelHeight: u32,
  chunks: u32,
  rows: u32,
  inHeight: i32,
  inWidth: i32,
  outHeight: u32,
  outWidth: i32,
  paddingY: i32,
  paddingX: i32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<Vec4>;
@group(0) @binding(2) var<storage, read> gradOutput: array<Vec4>;
@group(0) @binding(3) var<storage, read_write> partial: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> partialSums: array<vec4f>;

fn load(row: u32, at: i32, rowInside: bool) -> vec4f {
  let inside = rowInside && at >= 0 && at < u.inWidth;
  return select(vec4f(0.0), vec4f(x[row + u32(select(0, at, inside)) * u.channels4]), inside);
}

fn loadGradient(row: u32, at: i32) -> vec4f {
  let inside = at < u.outWidth;
  return select(vec4f(0.0), vec4f(gradOutput[row + u32(select(0, at, inside)) * u.channels4]), inside);
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
  let ky = (i / u.channels4) % u.kernelHeight;
  let chunk = i / (u.channels4 * u.kernelHeight);

  var sum0 = vec4f(0.0);
  var sum1 = vec4f(0.0);
  var sum2 = vec4f(0.0);
  var sum3 = vec4f(0.0);
  var sum4 = vec4f(0.0);
  var sum5 = vec4f(0.0);
  var sum6 = vec4f(0.0);
  var total = vec4f(0.0);
  for (var line = chunk; line < u.rows; line += u.chunks) {
    let atY = i32(line % u.outHeight + ky) - u.paddingY;
    let inside = atY >= 0 && atY < u.inHeight;
    let row = (line / u.outHeight * u32(u.inHeight) + u32(select(0, atY, inside))) * u32(u.inWidth) * u.channels4 + channel;
    let gradRow = line * u32(u.outWidth) * u.channels4 + channel;
    var r0 = load(row, -u.paddingX, inside);
    var r1 = load(row, 1 - u.paddingX, inside);
    var r2 = load(row, 2 - u.paddingX, inside);
    var r3 = load(row, 3 - u.paddingX, inside);
    var r4 = load(row, 4 - u.paddingX, inside);
    var r5 = load(row, 5 - u.paddingX, inside);
    for (var at = 0; at < u.outWidth; at += 4) {
      let next = at + 6 - u.paddingX;
      let r6 = load(row, next, inside);
      let r7 = load(row, next + 1, inside);
      let r8 = load(row, next + 2, inside);
      let r9 = load(row, next + 3, inside);
      let g0 = loadGradient(gradRow, at);
      let g1 = loadGradient(gradRow, at + 1);
      let g2 = loadGradient(gradRow, at + 2);
      let g3 = loadGradient(gradRow, at + 3);
      total += g0 + g1 + g2 + g3;
      sum0 = fma(r3, g3, fma(r2, g2, fma(r1, g1, fma(r0, g0, sum0))));
      sum1 = fma(r4, g3, fma(r3, g2, fma(r2, g1, fma(r1, g0, sum1))));
      sum2 = fma(r5, g3, fma(r4, g2, fma(r3, g1, fma(r2, g0, sum2))));
      sum3 = fma(r6, g3, fma(r5, g2, fma(r4, g1, fma(r3, g0, sum3))));
      sum4 = fma(r7, g3, fma(r6, g2, fma(r5, g1, fma(r4, g0, sum4))));
      sum5 = fma(r8, g3, fma(r7, g2, fma(r6, g1, fma(r5, g0, sum5))));
      sum6 = fma(r9, g3, fma(r8, g2, fma(r7, g1, fma(r6, g0, sum6))));
      r0 = r4;
      r1 = r5;
      r2 = r6;
      r3 = r7;
      r4 = r8;
      r5 = r9;
    }
  }

  let to = (chunk * u.kernelHeight + ky) * KERNEL_WIDTH * u.channels4 + channel;
  partial[to] = sum0;
  if (KERNEL_WIDTH > 1u) { partial[to + u.channels4] = sum1; }
  if (KERNEL_WIDTH > 2u) { partial[to + u.channels4 * 2u] = sum2; }
  if (KERNEL_WIDTH > 3u) { partial[to + u.channels4 * 3u] = sum3; }
  if (KERNEL_WIDTH > 4u) { partial[to + u.channels4 * 4u] = sum4; }
  if (KERNEL_WIDTH > 5u) { partial[to + u.channels4 * 5u] = sum5; }
  if (KERNEL_WIDTH > 6u) { partial[to + u.channels4 * 6u] = sum6; }
  if (ky == 0u) { partialSums[chunk * u.channels4 + channel] = total; }
}
