// partial[k, ky, kx, c] = sum over the images and columns of chunk k, and all output rows y, of
//   x[n, y + ky - paddingY, px + kx - paddingX, c] * gradOutput[n, y, px, c]
// partialSums[k, c] = sum over the same of gradOutput[n, y, px, c], the bias's gradient
//
// gradWeightRows.wgsl for windows of at most 7 x 7, on adapters whose subgroups have eight lanes (lavapipe), in the manner of rolling.wgsl: a
// workgroup is one subgroup and owns four channels of one chunk: units of one image and eight neighboring columns, one lane per column, the
// units k, k + chunks, …. It runs down the rows with the last seven rows of the gradient in registers; a row of x is two loads per lane, its
// seven shifts are shuffles, and the 49 sums, which lie in memory of its own, are added up over the lanes at the end; reduce/sumPair adds the
// chunks up. The host sees to it that paddingY is below the window's height, so that each row of the gradient meets some row of x.

enable subgroups;
diagnostic(off, subgroup_uniformity);

// #include "common/grid.wgsl"
// #include "common/storage.wgsl"

struct Uniforms {
  channels4: u32,
  chunks: u32,
  units: u32,
  tiles: u32,
  kernelHeight: u32,
  kernelWidth: u32,
  inHeight: i32,
  inWidth: i32,
  outHeight: i32,
  outWidth: i32,
  paddingY: i32,
  paddingX: i32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<Vec4>;
@group(0) @binding(2) var<storage, read> gradOutput: array<Vec4>;
@group(0) @binding(3) var<storage, read_write> partial: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> partialSums: array<vec4f>;

// Pixel `at` of the row whose first element (for this workgroup's channels) is at `row`; zero outside.
fn load(row: u32, at: i32) -> vec4f {
  let inside = at >= 0 && at < u.inWidth;
  return select(vec4f(0.0), vec4f(x[row + u32(select(0, at, inside)) * u.channels4]), inside);
}

// The pixel `by` columns to the right: near holds those of all lanes, far the eight after them.
fn shifted(near: vec4f, far: vec4f, lane: u32, by: u32) -> vec4f {
  let other = (lane + by) % 8u;
  return select(subgroupShuffle(far, other), subgroupShuffle(near, other), lane + by < 8u);
}

@compute @workgroup_size(8)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups);
  if (index >= u.channels4 * u.chunks) { return; }
  let channel = index % u.channels4;
  let chunk = index / u.channels4;

  // Tap (ky, kx) is at 7 ky + kx.
  var sums: array<vec4f, 49>;
  var total = vec4f(0.0);
  for (var unit = chunk; unit < u.units; unit += u.chunks) {
    let image = unit / u.tiles;
    let column = i32((unit % u.tiles) * 8u + lane);
    let exists = column < u.outWidth;
    // gK is row y - K of the gradient, which row K of the window joins to the row of x at hand.
    var g0 = vec4f(0.0);
    var g1 = vec4f(0.0);
    var g2 = vec4f(0.0);
    var g3 = vec4f(0.0);
    var g4 = vec4f(0.0);
    var g5 = vec4f(0.0);
    var g6 = vec4f(0.0);
    for (var y = 0; y < u.inHeight + u.paddingY; y++) {
      g6 = g5;
      g5 = g4;
      g4 = g3;
      g3 = g2;
      g2 = g1;
      g1 = g0;
      let inside = exists && y < u.outHeight;
      let pixel = (image * u32(u.outHeight) + u32(min(y, u.outHeight - 1))) * u32(u.outWidth) + u32(select(0, column, exists));
      g0 = select(vec4f(0.0), vec4f(gradOutput[pixel * u.channels4 + channel]), inside);
      total += g0;
      let fromY = y - u.paddingY;
      if (fromY < 0) { continue; }
      let row = (image * u32(u.inHeight) + u32(fromY)) * u32(u.inWidth) * u.channels4 + channel;
      let near = load(row, column - u.paddingX);
      let far = load(row, column - u.paddingX + 8);
      let p0 = near;
      sums[0] += p0 * g0;
      sums[7] += p0 * g1;
      sums[14] += p0 * g2;
      sums[21] += p0 * g3;
      sums[28] += p0 * g4;
      sums[35] += p0 * g5;
      sums[42] += p0 * g6;
      let p1 = shifted(near, far, lane, 1u);
      sums[1] += p1 * g0;
      sums[8] += p1 * g1;
      sums[15] += p1 * g2;
      sums[22] += p1 * g3;
      sums[29] += p1 * g4;
      sums[36] += p1 * g5;
      sums[43] += p1 * g6;
      let p2 = shifted(near, far, lane, 2u);
      sums[2] += p2 * g0;
      sums[9] += p2 * g1;
      sums[16] += p2 * g2;
      sums[23] += p2 * g3;
      sums[30] += p2 * g4;
      sums[37] += p2 * g5;
      sums[44] += p2 * g6;
      let p3 = shifted(near, far, lane, 3u);
      sums[3] += p3 * g0;
      sums[10] += p3 * g1;
      sums[17] += p3 * g2;
      sums[24] += p3 * g3;
      sums[31] += p3 * g4;
      sums[38] += p3 * g5;
      sums[45] += p3 * g6;
      let p4 = shifted(near, far, lane, 4u);
      sums[4] += p4 * g0;
      sums[11] += p4 * g1;
      sums[18] += p4 * g2;
      sums[25] += p4 * g3;
      sums[32] += p4 * g4;
      sums[39] += p4 * g5;
      sums[46] += p4 * g6;
      let p5 = shifted(near, far, lane, 5u);
      sums[5] += p5 * g0;
      sums[12] += p5 * g1;
      sums[19] += p5 * g2;
      sums[26] += p5 * g3;
      sums[33] += p5 * g4;
      sums[40] += p5 * g5;
      sums[47] += p5 * g6;
      let p6 = shifted(near, far, lane, 6u);
      sums[6] += p6 * g0;
      sums[13] += p6 * g1;
      sums[20] += p6 * g2;
      sums[27] += p6 * g3;
      sums[34] += p6 * g4;
      sums[41] += p6 * g5;
      sums[48] += p6 * g6;
    }
  }

  for (var ky = 0u; ky < u.kernelHeight; ky++) {
    for (var kx = 0u; kx < u.kernelWidth; kx++) {
      let sum = subgroupAdd(sums[ky * 7u + kx]);
      if (lane == 0u) { partial[((chunk * u.kernelHeight + ky) * u.kernelWidth + kx) * u.channels4 + channel] = sum; }
    }
  }
  total = subgroupAdd(total);
  if (lane == 0u) { partialSums[chunk * u.channels4 + channel] = total; }
}
