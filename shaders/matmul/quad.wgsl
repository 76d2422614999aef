// out[z, i, j] = f(bias[j] + sum over k of a[z, i, k] * b[z, k, j])
//
// a is [m, k], b is [k, n], both in rows of whole vec4f (zeros past k where k is not a multiple of 4). subgroup.wgsl for subgroups of four lanes
// (SwiftShader): a workgroup is one subgroup and owns 16 rows of 4 x 4 columns. Lane i loads the a of rows i, i + 4, i + 8 and i + 12, four k at a time, and
// lanes exchange them by quadSwap, one instruction per number: sum r of lane i is that of row r ^ i.
//
// Why this shape: see conv2d/gatherLanes.wgsl, which has the same. SwiftShader runs both sides of every branch, so what a product may end in has
// loops of its own, which are left after one masked turn where it is not wanted.

enable subgroups;

// #include "common/grid.wgsl"
// #include "common/product.wgsl"

const ROWS = 16u;

// Adds the products of four k; x holds them of one row of a, b0 to b3 of four columns of b.
fn plus(sum: vec4f, x: vec4f, b0: vec4f, b1: vec4f, b2: vec4f, b3: vec4f) -> vec4f {
  return sum + x.x * b0 + x.y * b1 + x.z * b2 + x.w * b3;
}

@compute @workgroup_size(4)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let tile = linearWorkgroup(workgroup, workgroups);
  if (tile >= u.tilesM * u.tilesN * u.slices) { return; }
  // Neighboring workgroups share columns of b, then the part of the k axis.
  let row0 = (tile % u.tilesM) * ROWS;
  let rest = tile / u.tilesM;
  let z = rest / u.tilesN;
  let begin = u.split * z * u.chunk;
  let end = min(begin + u.chunk, u.k);
  let column4 = (rest % u.tilesN) * 4u + lane;
  // Rows and columns past the end repeat the last ones and are not stored.
  let lastRow = u.m - 1u;
  let baseA = z * u.aBatch;
  let atA0 = baseA + min(row0 + lane, lastRow) * u.aStride;
  let atA1 = baseA + min(row0 + 4u + lane, lastRow) * u.aStride;
  let atA2 = baseA + min(row0 + 8u + lane, lastRow) * u.aStride;
  let atA3 = baseA + min(row0 + 12u + lane, lastRow) * u.aStride;
  let baseB = z * u.bBatch + min(column4, u.bStride - 1u);
  var sums: array<vec4f, ROWS>;
  var k = begin;
  loop {
    let atB = baseB + k * u.bStride;
    let b0 = vec4f(b[atB]);
    let b1 = vec4f(b[atB + u.bStride]);
    let b2 = vec4f(b[atB + 2u * u.bStride]);
    let b3 = vec4f(b[atB + 3u * u.bStride]);
    let a0 = vec4f(a[atA0 + (k >> 2u)]);
    sums[0] = plus(sums[0], a0, b0, b1, b2, b3);
    sums[1] = plus(sums[1], quadSwapX(a0), b0, b1, b2, b3);
    sums[2] = plus(sums[2], quadSwapY(a0), b0, b1, b2, b3);
    sums[3] = plus(sums[3], quadSwapDiagonal(a0), b0, b1, b2, b3);
    let a1 = vec4f(a[atA1 + (k >> 2u)]);
    sums[4] = plus(sums[4], a1, b0, b1, b2, b3);
    sums[5] = plus(sums[5], quadSwapX(a1), b0, b1, b2, b3);
    sums[6] = plus(sums[6], quadSwapY(a1), b0, b1, b2, b3);
    sums[7] = plus(sums[7], quadSwapDiagonal(a1), b0, b1, b2, b3);
    let a2 = vec4f(a[atA2 + (k >> 2u)]);
    sums[8] = plus(sums[8], a2, b0, b1, b2, b3);
    sums[9] = plus(sums[9], quadSwapX(a2), b0, b1, b2, b3);
    sums[10] = plus(sums[10], quadSwapY(a2), b0, b1, b2, b3);
    sums[11] = plus(sums[11], quadSwapDiagonal(a2), b0, b1, b2, b3);
    let a3 = vec4f(a[atA3 + (k >> 2u)]);
    sums[12] = plus(sums[12], a3, b0, b1, b2, b3);
    sums[13] = plus(sums[13], quadSwapX(a3), b0, b1, b2, b3);
    sums[14] = plus(sums[14], quadSwapY(a3), b0, b1, b2, b3);
    sums[15] = plus(sums[15], quadSwapDiagonal(a3), b0, b1, b2, b3);
    continuing {
      k += 4u;
      break if k >= end;
    }
  }

  let column = column4 * 4u;
  let left = u.n - column;
  if (u.hasBias + u.activation != 0u || u.side == 2u) {
    let shift = biasOf(column);
    for (var r = 0u; r < ROWS; r++) {
      let row = row0 + (r ^ lane);
      let at = placeOf(z, row, column);
      if (row < u.m && column < u.n) { sums[r] = activated(at, left, sums[r] + shift, besideAt(at, left)); }
    }
  }
  if (isScaled()) {
    for (var r = 0u; r < ROWS; r++) {
      let row = row0 + (r ^ lane);
      // Not besideAt: with it here SwiftShader took a fifth longer, also where there is no side (512 cubed: 27 and 33 ms).
      var beside = vec4f(0.0);
      if (row < u.m && column < u.n) {
        if (u.side == 1u) { beside = sideAt(placeOf(z, row, column), left); }
        sums[r] = scaled(row, column, sums[r], beside);
      }
    }
  }
  for (var r = 0u; r < ROWS; r++) {
    let row = row0 + (r ^ lane);
    if (row < u.m && column < u.n) { storeOut(placeOf(z, row, column), left, sums[r]); }
  }
}
