// out[n, y, x, c] = addend[n, y, x, c] + bias[c] + sum over ky, kx of source[n, y + ky - paddingY, x + kx - paddingX, c] * weight[ky, kx, c]
//
// The formula of rows.wgsl for windows of at most 7 x 7, on adapters whose subgroups have eight lanes (lavapipe). A workgroup is one
// subgroup and owns four channels of eight neighboring columns, one lane per column, and runs down `chunk` rows of them. A row of the source is two
// loads per lane, 16 pixels; the window's seven shifts of it are made by shuffles, for a load costs lavapipe some 330 instructions per vec4f and a
// shuffle eight. Each row is multiplied into the seven output rows it belongs to, then the oldest of these is done. A lane holds the weights of one kx
// of all ky. A smaller window lies at the end of a 7 x 7 one of zeros (the host adds to paddingY; columns past the window have weight zero).

enable subgroups;

// #include "common/grid.wgsl"
// #include "common/storage.wgsl"
// #include "common/depthwise.wgsl"

struct Uniforms {
  workgroups: u32,
  channels4: u32,
  inHeight: i32,
  inWidth: i32,
  outHeight: i32,
  outWidth: i32,
  tiles: u32,
  chunk: i32,
  chunks: u32,
  paddingY: i32,
  paddingX: i32,
  kernelHeight: i32,
  kernelWidth: i32,
  tapFirst: i32,
  tapStep: i32,
  hasBias: u32,
  hasAddend: u32,
}

// Pixel x of the row whose first element (for this workgroup's channels) is at `row`; zero outside.
fn load(row: u32, x: i32) -> vec4f {
  let inside = x >= 0 && x < u.inWidth;
  return select(vec4f(0.0), vec4f(source[row + u32(select(0, x, inside)) * u.channels4]), inside);
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
  if (index >= u.workgroups) { return; }
  let channel = index % u.channels4;
  let rest = index / u.channels4;
  let x = i32((rest % u.tiles) * 8u + lane);
  let line = rest / u.tiles;
  let firstRow = i32(line % u.chunks) * u.chunk;
  let endRow = min(firstRow + u.chunk, u.outHeight);
  let image = line / u.chunks;

  // 33, and not 7, lest Mesa should unroll the loop that fills them.
  var weights: array<vec4f, 33>;
  for (var ky = 0; ky < u.kernelHeight; ky++) {
    let tap = u.tapFirst + (ky * u.kernelWidth + min(i32(lane), u.kernelWidth - 1)) * u.tapStep;
    let taps = vec4f(weight[u32(tap) * u.channels4 + channel]);
    weights[7 - u.kernelHeight + ky] = select(vec4f(0.0), taps, i32(lane) < u.kernelWidth);
  }
  var start = vec4f(0.0);
  if (u.hasBias != 0u) { start = bias[channel]; }
  var sum0 = start;
  var sum1 = start;
  var sum2 = start;
  var sum3 = start;
  var sum4 = start;
  var sum5 = start;
  var sum6 = start;
  // sumK is that of output row y - K, of which this source row is row K of the window.
  for (var y = firstRow; y < endRow + 6; y++) {
    let fromY = y - u.paddingY;
    if (fromY >= 0 && fromY < u.inHeight) {
      let row = (image * u32(u.inHeight) + u32(fromY)) * u32(u.inWidth) * u.channels4 + channel;
      let near = load(row, x - u.paddingX);
      let far = load(row, x - u.paddingX + 8);
      let p0 = near;
      sum0 += p0 * subgroupShuffle(weights[0], 0u);
      sum1 += p0 * subgroupShuffle(weights[1], 0u);
      sum2 += p0 * subgroupShuffle(weights[2], 0u);
      sum3 += p0 * subgroupShuffle(weights[3], 0u);
      sum4 += p0 * subgroupShuffle(weights[4], 0u);
      sum5 += p0 * subgroupShuffle(weights[5], 0u);
      sum6 += p0 * subgroupShuffle(weights[6], 0u);
      let p1 = shifted(near, far, lane, 1u);
      sum0 += p1 * subgroupShuffle(weights[0], 1u);
      sum1 += p1 * subgroupShuffle(weights[1], 1u);
      sum2 += p1 * subgroupShuffle(weights[2], 1u);
      sum3 += p1 * subgroupShuffle(weights[3], 1u);
      sum4 += p1 * subgroupShuffle(weights[4], 1u);
      sum5 += p1 * subgroupShuffle(weights[5], 1u);
      sum6 += p1 * subgroupShuffle(weights[6], 1u);
      let p2 = shifted(near, far, lane, 2u);
      sum0 += p2 * subgroupShuffle(weights[0], 2u);
      sum1 += p2 * subgroupShuffle(weights[1], 2u);
      sum2 += p2 * subgroupShuffle(weights[2], 2u);
      sum3 += p2 * subgroupShuffle(weights[3], 2u);
      sum4 += p2 * subgroupShuffle(weights[4], 2u);
      sum5 += p2 * subgroupShuffle(weights[5], 2u);
      sum6 += p2 * subgroupShuffle(weights[6], 2u);
      let p3 = shifted(near, far, lane, 3u);
      sum0 += p3 * subgroupShuffle(weights[0], 3u);
      sum1 += p3 * subgroupShuffle(weights[1], 3u);
      sum2 += p3 * subgroupShuffle(weights[2], 3u);
      sum3 += p3 * subgroupShuffle(weights[3], 3u);
      sum4 += p3 * subgroupShuffle(weights[4], 3u);
      sum5 += p3 * subgroupShuffle(weights[5], 3u);
      sum6 += p3 * subgroupShuffle(weights[6], 3u);
      let p4 = shifted(near, far, lane, 4u);
      sum0 += p4 * subgroupShuffle(weights[0], 4u);
      sum1 += p4 * subgroupShuffle(weights[1], 4u);
      sum2 += p4 * subgroupShuffle(weights[2], 4u);
      sum3 += p4 * subgroupShuffle(weights[3], 4u);
      sum4 += p4 * subgroupShuffle(weights[4], 4u);
      sum5 += p4 * subgroupShuffle(weights[5], 4u);
      sum6 += p4 * subgroupShuffle(weights[6], 4u);
      let p5 = shifted(near, far, lane, 5u);
      sum0 += p5 * subgroupShuffle(weights[0], 5u);
      sum1 += p5 * subgroupShuffle(weights[1], 5u);
      sum2 += p5 * subgroupShuffle(weights[2], 5u);
      sum3 += p5 * subgroupShuffle(weights[3], 5u);
      sum4 += p5 * subgroupShuffle(weights[4], 5u);
      sum5 += p5 * subgroupShuffle(weights[5], 5u);
      sum6 += p5 * subgroupShuffle(weights[6], 5u);
      let p6 = shifted(near, far, lane, 6u);
      sum0 += p6 * subgroupShuffle(weights[0], 6u);
      sum1 += p6 * subgroupShuffle(weights[1], 6u);
      sum2 += p6 * subgroupShuffle(weights[2], 6u);
      sum3 += p6 * subgroupShuffle(weights[3], 6u);
      sum4 += p6 * subgroupShuffle(weights[4], 6u);
      sum5 += p6 * subgroupShuffle(weights[5], 6u);
      sum6 += p6 * subgroupShuffle(weights[6], 6u);
    }
    if (y >= firstRow + 6 && x < u.outWidth) {
      let at = ((image * u32(u.outHeight) + u32(y - 6)) * u32(u.outWidth) + u32(x)) * u.channels4 + channel;
      store(at, sum6);
    }
    sum6 = sum5;
    sum5 = sum4;
    sum4 = sum3;
    sum3 = sum2;
    sum2 = sum1;
    sum1 = sum0;
    sum0 = start;
  }
}
