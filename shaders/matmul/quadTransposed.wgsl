// out[z, i, j] = sum over k of a[z, k, i] * b[z, k, j]: the gradient of a weight, a sum over all pixels; and sums, of a alone
//
// quad.wgsl for an `a` stored [k, m]: a workgroup is one subgroup of four lanes and owns 16 rows of 4 x 4 columns. Lane i loads rows 4i to
// 4i + 3 of a for one k, four k at a time, and lanes exchange them by quadSwap: sum 4j + r of lane i is that of row 4 (i ^ j) + r.

enable subgroups;

// #include "common/grid.wgsl"
// #include "common/only.wgsl"
// #include "common/productTransposed.wgsl"

const ROWS = 16u;

// Adds the products of four k; a0 to a3 hold them of one row of out, b0 to b3 of four columns of b.
fn plus(sum: vec4f, a0: f32, a1: f32, a2: f32, a3: f32, b0: vec4f, b1: vec4f, b2: vec4f, b3: vec4f) -> vec4f {
  return sum + a0 * b0 + a1 * b1 + a2 * b2 + a3 * b3;
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
  let column = (rest % u.tilesN) * 4u + lane;
  // Rows and columns past the end repeat the last ones and are not stored; so do the k past the end of a part, times zero.
  let baseA = z * u.aBatch + min(row0 / 4u + lane, u.aStride - 1u);
  let baseB = z * u.bBatch + min(column, u.bStride - 1u);
  let last = end - 1u;
  var own = vec4f(0.0);
  var sums: array<vec4f, ROWS>;
  var k = begin;
  loop {
    let k1 = min(k + 1u, last);
    let k2 = min(k + 2u, last);
    let k3 = min(k + 3u, last);
    let b0 = vec4f(b[baseB + k * u.bStride]);
    let b1 = vec4f(b[baseB + k1 * u.bStride]);
    let b2 = vec4f(b[baseB + k2 * u.bStride]);
    let b3 = vec4f(b[baseB + k3 * u.bStride]);
    let a0 = vec4f(a[baseA + k * u.aStride]);
    let a1 = only(vec4f(a[baseA + k1 * u.aStride]), k1 == k + 1u);
    let a2 = only(vec4f(a[baseA + k2 * u.aStride]), k2 == k + 2u);
    let a3 = only(vec4f(a[baseA + k3 * u.aStride]), k3 == k + 3u);
    own = own + a0 + a1 + a2 + a3;
    sums[0] = plus(sums[0], a0.x, a1.x, a2.x, a3.x, b0, b1, b2, b3);
    sums[1] = plus(sums[1], a0.y, a1.y, a2.y, a3.y, b0, b1, b2, b3);
    sums[2] = plus(sums[2], a0.z, a1.z, a2.z, a3.z, b0, b1, b2, b3);
    sums[3] = plus(sums[3], a0.w, a1.w, a2.w, a3.w, b0, b1, b2, b3);
    let x0 = quadSwapX(a0);
    let x1 = quadSwapX(a1);
    let x2 = quadSwapX(a2);
    let x3 = quadSwapX(a3);
    sums[4] = plus(sums[4], x0.x, x1.x, x2.x, x3.x, b0, b1, b2, b3);
    sums[5] = plus(sums[5], x0.y, x1.y, x2.y, x3.y, b0, b1, b2, b3);
    sums[6] = plus(sums[6], x0.z, x1.z, x2.z, x3.z, b0, b1, b2, b3);
    sums[7] = plus(sums[7], x0.w, x1.w, x2.w, x3.w, b0, b1, b2, b3);
    let y0 = quadSwapY(a0);
    let y1 = quadSwapY(a1);
    let y2 = quadSwapY(a2);
    let y3 = quadSwapY(a3);
    sums[8] = plus(sums[8], y0.x, y1.x, y2.x, y3.x, b0, b1, b2, b3);
    sums[9] = plus(sums[9], y0.y, y1.y, y2.y, y3.y, b0, b1, b2, b3);
    sums[10] = plus(sums[10], y0.z, y1.z, y2.z, y3.z, b0, b1, b2, b3);
    sums[11] = plus(sums[11], y0.w, y1.w, y2.w, y3.w, b0, b1, b2, b3);
    let d0 = quadSwapDiagonal(a0);
    let d1 = quadSwapDiagonal(a1);
    let d2 = quadSwapDiagonal(a2);
    let d3 = quadSwapDiagonal(a3);
    sums[12] = plus(sums[12], d0.x, d1.x, d2.x, d3.x, b0, b1, b2, b3);
    sums[13] = plus(sums[13], d0.y, d1.y, d2.y, d3.y, b0, b1, b2, b3);
    sums[14] = plus(sums[14], d0.z, d1.z, d2.z, d3.z, b0, b1, b2, b3);
    sums[15] = plus(sums[15], d0.w, d1.w, d2.w, d3.w, b0, b1, b2, b3);
    continuing {
      k += 4u;
      break if k >= end;
    }
  }

  for (var r = 0u; r < ROWS; r++) {
    let row = row0 + (r ^ (lane * 4u));
    if (row < u.m) { store(z, row, column * 4u, sums[r]); }
  }
  if (u.hasSums != 0u && rest % u.tilesN == 0u) { storeSums(z, row0 + 4u * lane, own); }
}
