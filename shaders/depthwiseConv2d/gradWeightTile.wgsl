// The formulas of gradWeightRows.wgsl for windows of up to 7 x 7, through workgroup memory: for GPUs.
//
// A chunk is the tiles k, k + chunks, k + 2 chunks, … of 8 x 8 pixels of the gradient; reduce/sumPair adds the chunks up in order.
//
// A workgroup of 64 threads owns four groups of four channels of a chunk. Of each tile it brings the 14 x 14 pixels of x that its windows look at,
// zeros outside, so that a pixel of x is read three times and one of the gradient once, instead of seven times each. A thread owns four channels
// of one row of taps (seven sums) and every second row of a tile: 56 multiply-adds of vectors cost 14 reads of x from workgroup memory and eight of
// the gradient, at the same addresses in all rows of taps. The eighth row of taps multiplies by ones: its sum is the bias's gradient.
// At the end the odd rows' sums are added to those of the even ones.

// #include "common/grid.wgsl"
// #include "common/storage.wgsl"

override KERNEL_WIDTH: u32 = 7u;

struct Uniforms {
  channels4: u32,
  groups: u32,
  chunks: u32,
  tiles: u32,
  tilesX: u32,
  tilesY: u32,
  kernelHeight: u32,
  inHeight: i32,
  inWidth: i32,
  outHeight: u32,
  outWidth: u32,
  paddingY: i32,
  paddingX: i32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<Vec4>;
@group(0) @binding(2) var<storage, read> gradOutput: array<Vec4>;
@group(0) @binding(3) var<storage, read_write> partial: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> partialSums: array<vec4f>;

const SIDE = 14u;
// A pixel more than a row holds: neighboring rows then meet different banks.
const ROW = 60u;

// pixels[y * ROW + x * 4 + group], and a row of ones
var<workgroup> pixels: array<vec4f, (SIDE + 1u) * ROW>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups);
  if (index >= u.groups * u.chunks) { return; }
  let group = thread % 4u;
  let lane = thread / 4u % 8u;
  let odd = thread / 32u;
  // Groups past the end repeat the last one and are not stored.
  let own = (index % u.groups) * 4u + group;
  let channel = min(own, u.channels4 - 1u);
  let chunk = index / u.groups;
  let rowStride = u32(u.inWidth) * u.channels4;
  let gradStride = u.outWidth * u.channels4;

  if (thread < ROW) { pixels[SIDE * ROW + thread] = vec4f(1.0); }
  var sum0 = vec4f(0.0);
  var sum1 = vec4f(0.0);
  var sum2 = vec4f(0.0);
  var sum3 = vec4f(0.0);
  var sum4 = vec4f(0.0);
  var sum5 = vec4f(0.0);
  var sum6 = vec4f(0.0);
  for (var tile = chunk; tile < u.tiles; tile += u.chunks) {
    let column = tile % u.tilesX * 8u;
    let line = tile / u.tilesX % u.tilesY * 8u;
    let image = tile / (u.tilesX * u.tilesY);

    // A thread brings columns `lane` and lane + 8 of every second row.
    let fromX = i32(column + lane) - u.paddingX;
    let inside0 = u32(fromX) < u32(u.inWidth);
    let inside1 = lane < 6u && u32(fromX + 8) < u32(u.inWidth);
    let first = image * u32(u.inHeight) * rowStride + channel;
    for (var h = 0u; h < SIDE / 2u; h++) {
      let row = h * 2u + odd;
      let fromY = i32(line + row) - u.paddingY;
      let insideY = u32(fromY) < u32(u.inHeight);
      let place = first + u32(fromY) * rowStride + u32(fromX) * u.channels4;
      let ok0 = insideY && inside0;
      let ok1 = insideY && inside1;
      let value0 = x[select(0u, place, ok0)];
      let value1 = x[select(0u, place + 8u * u.channels4, ok1)];
      let to = row * ROW + lane * 4u + group;
      pixels[to] = select(vec4f(0.0), vec4f(value0), ok0);
      if (lane < 6u) { pixels[to + 32u] = select(vec4f(0.0), vec4f(value1), ok1); }
    }
    workgroupBarrier();

    let left = u.outWidth - column;
    for (var h = 0u; h < 4u; h++) {
      let row = h * 2u + odd;
      if (line + row >= u.outHeight) { break; }
      let base = (image * u.outHeight + line + row) * gradStride + column * u.channels4 + channel;
      let g0 = vec4f(gradOutput[base]);
      var g1 = vec4f(0.0);
      var g2 = vec4f(0.0);
      var g3 = vec4f(0.0);
      var g4 = vec4f(0.0);
      var g5 = vec4f(0.0);
      var g6 = vec4f(0.0);
      var g7 = vec4f(0.0);
      if (left > 7u) {
        g1 = vec4f(gradOutput[base + u.channels4]);
        g2 = vec4f(gradOutput[base + u.channels4 * 2u]);
        g3 = vec4f(gradOutput[base + u.channels4 * 3u]);
        g4 = vec4f(gradOutput[base + u.channels4 * 4u]);
        g5 = vec4f(gradOutput[base + u.channels4 * 5u]);
        g6 = vec4f(gradOutput[base + u.channels4 * 6u]);
        g7 = vec4f(gradOutput[base + u.channels4 * 7u]);
      } else {
        if (left > 1u) { g1 = vec4f(gradOutput[base + u.channels4]); }
        if (left > 2u) { g2 = vec4f(gradOutput[base + u.channels4 * 2u]); }
        if (left > 3u) { g3 = vec4f(gradOutput[base + u.channels4 * 3u]); }
        if (left > 4u) { g4 = vec4f(gradOutput[base + u.channels4 * 4u]); }
        if (left > 5u) { g5 = vec4f(gradOutput[base + u.channels4 * 5u]); }
        if (left > 6u) { g6 = vec4f(gradOutput[base + u.channels4 * 6u]); }
      }
      let at = min(select(row + lane, SIDE, lane == 7u), SIDE) * ROW + group;
      let r0 = pixels[at];
      let r1 = pixels[at + 4u];
      let r2 = pixels[at + 8u];
      let r3 = pixels[at + 12u];
      let r4 = pixels[at + 16u];
      let r5 = pixels[at + 20u];
      let r6 = pixels[at + 24u];
      let r7 = pixels[at + 28u];
      let r8 = pixels[at + 32u];
      let r9 = pixels[at + 36u];
      let r10 = pixels[at + 40u];
      let r11 = pixels[at + 44u];
      let r12 = pixels[at + 48u];
      let r13 = pixels[at + 52u];
      sum0 = fma(r7, g7, fma(r6, g6, fma(r5, g5, fma(r4, g4, fma(r3, g3, fma(r2, g2, fma(r1, g1, fma(r0, g0, sum0))))))));
      sum1 = fma(r8, g7, fma(r7, g6, fma(r6, g5, fma(r5, g4, fma(r4, g3, fma(r3, g2, fma(r2, g1, fma(r1, g0, sum1))))))));
      sum2 = fma(r9, g7, fma(r8, g6, fma(r7, g5, fma(r6, g4, fma(r5, g3, fma(r4, g2, fma(r3, g1, fma(r2, g0, sum2))))))));
      sum3 = fma(r10, g7, fma(r9, g6, fma(r8, g5, fma(r7, g4, fma(r6, g3, fma(r5, g2, fma(r4, g1, fma(r3, g0, sum3))))))));
      sum4 = fma(r11, g7, fma(r10, g6, fma(r9, g5, fma(r8, g4, fma(r7, g3, fma(r6, g2, fma(r5, g1, fma(r4, g0, sum4))))))));
      sum5 = fma(r12, g7, fma(r11, g6, fma(r10, g5, fma(r9, g4, fma(r8, g3, fma(r7, g2, fma(r6, g1, fma(r5, g0, sum5))))))));
      sum6 = fma(r13, g7, fma(r12, g6, fma(r11, g5, fma(r10, g4, fma(r9, g3, fma(r8, g2, fma(r7, g1, fma(r6, g0, sum6))))))));
    }
    workgroupBarrier();
  }

  let slot = (lane * 4u + group) * 7u;
  if (odd == 1u) {
    pixels[slot] = sum0;
    pixels[slot + 1u] = sum1;
    pixels[slot + 2u] = sum2;
    pixels[slot + 3u] = sum3;
    pixels[slot + 4u] = sum4;
    pixels[slot + 5u] = sum5;
    pixels[slot + 6u] = sum6;
  }
  workgroupBarrier();
  if (odd == 1u || own >= u.channels4) { return; }
  if (lane == 7u) { partialSums[chunk * u.channels4 + channel] = sum0 + pixels[slot]; }
  if (lane >= u.kernelHeight) { return; }
  let to = (chunk * u.kernelHeight + lane) * KERNEL_WIDTH * u.channels4 + channel;
  partial[to] = sum0 + pixels[slot];
  if (KERNEL_WIDTH > 1u) { partial[to + u.channels4] = sum1 + pixels[slot + 1u]; }
  if (KERNEL_WIDTH > 2u) { partial[to + u.channels4 * 2u] = sum2 + pixels[slot + 2u]; }
  if (KERNEL_WIDTH > 3u) { partial[to + u.channels4 * 3u] = sum3 + pixels[slot + 3u]; }
  if (KERNEL_WIDTH > 4u) { partial[to + u.channels4 * 4u] = sum4 + pixels[slot + 4u]; }
  if (KERNEL_WIDTH > 5u) { partial[to + u.channels4 * 5u] = sum5 + pixels[slot + 5u]; }
  if (KERNEL_WIDTH > 6u) { partial[to + u.channels4 * 6u] = sum6 + pixels[slot + 6u]; }
}
