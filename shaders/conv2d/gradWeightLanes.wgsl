// partial[c, ky, kx, i, o] = sum over the output pixels p of chunk c of x[n, py * stride + ky * dilation - padding, …, i] * gradOutput[p, o]
//
// One group. A chunk is a run of `run` neighboring output pixels, a multiple of four; reduce/sum adds the chunks up in order.
// A workgroup is one subgroup of four lanes (SwiftShader) and owns four groups of four rows (a tap's input channels) x four groups of four
// output channels of one chunk. It takes four pixels at a time: lane i loads the four input channels of its group of rows, lanes exchange them by
// quadSwap (sum 4j + r of lane i is that of row r of group i ^ j), and each lane loads its part of gradOutput. On software adapters a
// load is a gather, lane by lane, and dearer than the arithmetic. Channels are in fours. How the loop is written: see gatherLanes.wgsl.

enable subgroups;

// #include "common/grid.wgsl"
// #include "common/gradWeightProduct.wgsl"
// #include "common/only.wgsl"

const LANES = 4u;
const ROWS = 16u;

struct Pixel { x: i32, y: i32, image: i32 }

fn nextPixel(pixel: Pixel) -> Pixel {
  let x = pixel.x + 1;
  let isPastRow = select(0, 1, x == u.outWidth);
  let y = pixel.y + isPastRow;
  let isPastImage = select(0, 1, y == u.outHeight);
  return Pixel(x - isPastRow * u.outWidth, y - isPastImage * u.outHeight, pixel.image + isPastImage);
}

// Four channels of the pixel of x that meets an output pixel under a tap; 0 where there is none or it is not wanted.
fn under(pixel: Pixel, shiftX: i32, shiftY: i32, channel: u32, isWanted: bool) -> vec4f {
  let atX = pixel.x * u.strideX + shiftX;
  let atY = pixel.y * u.strideY + shiftY;
  let isInside = isWanted & (atX >= 0) & (atX < u.inWidth) & (atY >= 0) & (atY < u.inHeight);
  let base = u32(select(0, (pixel.image * u.inHeight + atY) * u.inWidth + atX, isInside));
  return only(vec4f(x[base * u.inChannels4 + channel]), isInside);
}

// Adds the products of four pixels; a0 to a3 are theirs of one row, g0 to g3 of four output channels.
fn plus(sum: vec4f, a0: f32, a1: f32, a2: f32, a3: f32, g0: vec4f, g1: vec4f, g2: vec4f, g3: vec4f) -> vec4f {
  return sum + a0 * g0 + a1 * g1 + a2 * g2 + a3 * g3;
}

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups);
  if (index >= u.workgroups) { return; }
  let column = (index % u.columns) * LANES + lane;
  let loadColumn = min(column, u.outChannels4 - 1u);
  let row0 = (index / u.columns) % u.rows * ROWS;
  let rows4 = u.taps * u.inChannels4;
  // Rows and columns past the end repeat the last ones and are not stored.
  let group = min(row0 / 4u + lane, rows4 - 1u);
  let tap = group / u.inChannels4;
  let channel = group % u.inChannels4;
  let shiftX = i32(tap % u.kernelWidth) * u.dilationX - u.paddingX;
  let shiftY = i32(tap / u.kernelWidth) * u.dilationY - u.paddingY;
  let chunk = index / (u.columns * u.rows);
  let first = chunk * u.run;
  let end = min(first + u.run, u.pixels);
  let last = end - 1u;

  let start = i32(first);
  var at = Pixel(start % u.outWidth, (start / u.outWidth) % u.outHeight, start / (u.outWidth * u.outHeight));
  var sums: array<vec4f, ROWS>;
  var p = first;
  loop {
    let at1 = nextPixel(at);
    let at2 = nextPixel(at1);
    let at3 = nextPixel(at2);
    let g0 = vec4f(gradOutput[p * u.outChannels4 + loadColumn]);
    let g1 = vec4f(gradOutput[min(p + 1u, last) * u.outChannels4 + loadColumn]);
    let g2 = vec4f(gradOutput[min(p + 2u, last) * u.outChannels4 + loadColumn]);
    let g3 = vec4f(gradOutput[min(p + 3u, last) * u.outChannels4 + loadColumn]);
    let a0 = under(at, shiftX, shiftY, channel, true);
    let a1 = under(at1, shiftX, shiftY, channel, p + 1u < end);
    let a2 = under(at2, shiftX, shiftY, channel, p + 2u < end);
    let a3 = under(at3, shiftX, shiftY, channel, p + 3u < end);
    sums[0] = plus(sums[0], a0.x, a1.x, a2.x, a3.x, g0, g1, g2, g3);
    sums[1] = plus(sums[1], a0.y, a1.y, a2.y, a3.y, g0, g1, g2, g3);
    sums[2] = plus(sums[2], a0.z, a1.z, a2.z, a3.z, g0, g1, g2, g3);
    sums[3] = plus(sums[3], a0.w, a1.w, a2.w, a3.w, g0, g1, g2, g3);
    let x0 = quadSwapX(a0);
    let x1 = quadSwapX(a1);
    let x2 = quadSwapX(a2);
    let x3 = quadSwapX(a3);
    sums[4] = plus(sums[4], x0.x, x1.x, x2.x, x3.x, g0, g1, g2, g3);
    sums[5] = plus(sums[5], x0.y, x1.y, x2.y, x3.y, g0, g1, g2, g3);
    sums[6] = plus(sums[6], x0.z, x1.z, x2.z, x3.z, g0, g1, g2, g3);
    sums[7] = plus(sums[7], x0.w, x1.w, x2.w, x3.w, g0, g1, g2, g3);
    let y0 = quadSwapY(a0);
    let y1 = quadSwapY(a1);
    let y2 = quadSwapY(a2);
    let y3 = quadSwapY(a3);
    sums[8] = plus(sums[8], y0.x, y1.x, y2.x, y3.x, g0, g1, g2, g3);
    sums[9] = plus(sums[9], y0.y, y1.y, y2.y, y3.y, g0, g1, g2, g3);
    sums[10] = plus(sums[10], y0.z, y1.z, y2.z, y3.z, g0, g1, g2, g3);
    sums[11] = plus(sums[11], y0.w, y1.w, y2.w, y3.w, g0, g1, g2, g3);
    let d0 = quadSwapDiagonal(a0);
    let d1 = quadSwapDiagonal(a1);
    let d2 = quadSwapDiagonal(a2);
    let d3 = quadSwapDiagonal(a3);
    sums[12] = plus(sums[12], d0.x, d1.x, d2.x, d3.x, g0, g1, g2, g3);
    sums[13] = plus(sums[13], d0.y, d1.y, d2.y, d3.y, g0, g1, g2, g3);
    sums[14] = plus(sums[14], d0.z, d1.z, d2.z, d3.z, g0, g1, g2, g3);
    sums[15] = plus(sums[15], d0.w, d1.w, d2.w, d3.w, g0, g1, g2, g3);
    at = nextPixel(at3);
    continuing {
      p += LANES;
      break if p >= end;
    }
  }

  for (var r = 0u; r < ROWS; r++) {
    let row = row0 + (r ^ (lane * 4u));
    if (row < rows4 * 4u && column < u.outChannels4) {
      partial[(chunk * rows4 * 4u + row) * u.outChannels4 + column] = sums[r];
    }
  }
}
