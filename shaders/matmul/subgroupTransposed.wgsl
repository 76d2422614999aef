// out[z, i, j] = sum over k of a[z, k, i] * b[z, k, j]: the gradient of a weight, a sum over all pixels; and sums, of a alone
//
// subgroup.wgsl for an `a` stored [k, m]: a workgroup is one subgroup of eight lanes and owns 32 rows of 8 x 4 columns, whose sums lie in
// memory of its own. Lane i loads rows 4i to 4i + 3 of a for one k, four k at a time, and hands them round by shuffles: each number that
// was loaded is used 32 times. Groups of eight rows past the end are skipped.

enable subgroups;

// #include "common/grid.wgsl"
// #include "common/productTransposed.wgsl"

// Adds the products of four k; x holds them of one row of out, b0 to b3 of four columns of b.
fn plus(sum: vec4f, x: vec4f, b0: vec4f, b1: vec4f, b2: vec4f, b3: vec4f) -> vec4f {
  return sum + x.x * b0 + x.y * b1 + x.z * b2 + x.w * b3;
}

@compute @workgroup_size(8)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let tile = linearWorkgroup(workgroup, workgroups);
  if (tile >= u.tilesM * u.tilesN * u.slices) { return; }
  // Neighboring workgroups share columns of b, then the part of the k axis.
  let row0 = (tile % u.tilesM) * 32u;
  let rest = tile / u.tilesM;
  let z = rest / u.tilesN;
  let begin = u.split * z * u.chunk;
  let end = min(begin + u.chunk, u.k);
  let column = (rest % u.tilesN) * 8u + lane;
  let rows = u.m - row0;
  // Rows and columns past the end repeat the last ones and are not stored; so do the k past the end of a part, times zero.
  let baseA = z * u.aBatch + min(row0 / 4u + lane, u.aStride - 1u);
  let baseB = z * u.bBatch + min(column, u.bStride - 1u);
  let last = end - 1u;
  var own = vec4f(0.0);
  var sum: array<vec4f, 33>;
  for (var k = begin; k < end; k += 4u) {
    let k1 = min(k + 1u, last);
    let k2 = min(k + 2u, last);
    let k3 = min(k + 3u, last);
    let b0 = vec4f(b[baseB + k * u.bStride]);
    let b1 = vec4f(b[baseB + k1 * u.bStride]);
    let b2 = vec4f(b[baseB + k2 * u.bStride]);
    let b3 = vec4f(b[baseB + k3 * u.bStride]);
    let a0 = vec4f(a[baseA + k * u.aStride]);
    let a1 = select(vec4f(0.0), vec4f(a[baseA + k1 * u.aStride]), k1 == k + 1u);
    let a2 = select(vec4f(0.0), vec4f(a[baseA + k2 * u.aStride]), k2 == k + 2u);
    let a3 = select(vec4f(0.0), vec4f(a[baseA + k3 * u.aStride]), k3 == k + 3u);
    own += a0 + a1 + a2 + a3;
    let q0k0 = subgroupShuffle(a0, 0u);
    let q0k1 = subgroupShuffle(a1, 0u);
    let q0k2 = subgroupShuffle(a2, 0u);
    let q0k3 = subgroupShuffle(a3, 0u);
    sum[0] = plus(sum[0], vec4f(q0k0.x, q0k1.x, q0k2.x, q0k3.x), b0, b1, b2, b3);
    sum[1] = plus(sum[1], vec4f(q0k0.y, q0k1.y, q0k2.y, q0k3.y), b0, b1, b2, b3);
    sum[2] = plus(sum[2], vec4f(q0k0.z, q0k1.z, q0k2.z, q0k3.z), b0, b1, b2, b3);
    sum[3] = plus(sum[3], vec4f(q0k0.w, q0k1.w, q0k2.w, q0k3.w), b0, b1, b2, b3);
    let q1k0 = subgroupShuffle(a0, 1u);
    let q1k1 = subgroupShuffle(a1, 1u);
    let q1k2 = subgroupShuffle(a2, 1u);
    let q1k3 = subgroupShuffle(a3, 1u);
    sum[4] = plus(sum[4], vec4f(q1k0.x, q1k1.x, q1k2.x, q1k3.x), b0, b1, b2, b3);
    sum[5] = plus(sum[5], vec4f(q1k0.y, q1k1.y, q1k2.y, q1k3.y), b0, b1, b2, b3);
    sum[6] = plus(sum[6], vec4f(q1k0.z, q1k1.z, q1k2.z, q1k3.z), b0, b1, b2, b3);
    sum[7] = plus(sum[7], vec4f(q1k0.w, q1k1.w, q1k2.w, q1k3.w), b0, b1, b2, b3);
    if (rows > 8u) {
      let q2k0 = subgroupShuffle(a0, 2u);
      let q2k1 = subgroupShuffle(a1, 2u);
      let q2k2 = subgroupShuffle(a2, 2u);
      let q2k3 = subgroupShuffle(a3, 2u);
      sum[8] = plus(sum[8], vec4f(q2k0.x, q2k1.x, q2k2.x, q2k3.x), b0, b1, b2, b3);
      sum[9] = plus(sum[9], vec4f(q2k0.y, q2k1.y, q2k2.y, q2k3.y), b0, b1, b2, b3);
      sum[10] = plus(sum[10], vec4f(q2k0.z, q2k1.z, q2k2.z, q2k3.z), b0, b1, b2, b3);
      sum[11] = plus(sum[11], vec4f(q2k0.w, q2k1.w, q2k2.w, q2k3.w), b0, b1, b2, b3);
      let q3k0 = subgroupShuffle(a0, 3u);
      let q3k1 = subgroupShuffle(a1, 3u);
      let q3k2 = subgroupShuffle(a2, 3u);
      let q3k3 = subgroupShuffle(a3, 3u);
      sum[12] = plus(sum[12], vec4f(q3k0.x, q3k1.x, q3k2.x, q3k3.x), b0, b1, b2, b3);
      sum[13] = plus(sum[13], vec4f(q3k0.y, q3k1.y, q3k2.y, q3k3.y), b0, b1, b2, b3);
      sum[14] = plus(sum[14], vec4f(q3k0.z, q3k1.z, q3k2.z, q3k3.z), b0, b1, b2, b3);
      sum[15] = plus(sum[15], vec4f(q3k0.w, q3k1.w, q3k2.w, q3k3.w), b0, b1, b2, b3);
    }
    if (rows > 16u) {
      let q4k0 = subgroupShuffle(a0, 4u);
      let q4k1 = subgroupShuffle(a1, 4u);
      let q4k2 = subgroupShuffle(a2, 4u);
      let q4k3 = subgroupShuffle(a3, 4u);
      sum[16] = plus(sum[16], vec4f(q4k0.x, q4k1.x, q4k2.x, q4k3.x), b0, b1, b2, b3);
      sum[17] = plus(sum[17], vec4f(q4k0.y, q4k1.y, q4k2.y, q4k3.y), b0, b1, b2, b3);
      sum[18] = plus(sum[18], vec4f(q4k0.z, q4k1.z, q4k2.z, q4k3.z), b0, b1, b2, b3);
      sum[19] = plus(sum[19], vec4f(q4k0.w, q4k1.w, q4k2.w, q4k3.w), b0, b1, b2, b3);
      let q5k0 = subgroupShuffle(a0, 5u);
      let q5k1 = subgroupShuffle(a1, 5u);
      let q5k2 = subgroupShuffle(a2, 5u);
      let q5k3 = subgroupShuffle(a3, 5u);
      sum[20] = plus(sum[20], vec4f(q5k0.x, q5k1.x, q5k2.x, q5k3.x), b0, b1, b2, b3);
      sum[21] = plus(sum[21], vec4f(q5k0.y, q5k1.y, q5k2.y, q5k3.y), b0, b1, b2, b3);
      sum[22] = plus(sum[22], vec4f(q5k0.z, q5k1.z, q5k2.z, q5k3.z), b0, b1, b2, b3);
      sum[23] = plus(sum[23], vec4f(q5k0.w, q5k1.w, q5k2.w, q5k3.w), b0, b1, b2, b3);
    }
    if (rows > 24u) {
      let q6k0 = subgroupShuffle(a0, 6u);
      let q6k1 = subgroupShuffle(a1, 6u);
      let q6k2 = subgroupShuffle(a2, 6u);
      let q6k3 = subgroupShuffle(a3, 6u);
      sum[24] = plus(sum[24], vec4f(q6k0.x, q6k1.x, q6k2.x, q6k3.x), b0, b1, b2, b3);
      sum[25] = plus(sum[25], vec4f(q6k0.y, q6k1.y, q6k2.y, q6k3.y), b0, b1, b2, b3);
      sum[26] = plus(sum[26], vec4f(q6k0.z, q6k1.z, q6k2.z, q6k3.z), b0, b1, b2, b3);
      sum[27] = plus(sum[27], vec4f(q6k0.w, q6k1.w, q6k2.w, q6k3.w), b0, b1, b2, b3);
      let q7k0 = subgroupShuffle(a0, 7u);
      let q7k1 = subgroupShuffle(a1, 7u);
      let q7k2 = subgroupShuffle(a2, 7u);
      let q7k3 = subgroupShuffle(a3, 7u);
      sum[28] = plus(sum[28], vec4f(q7k0.x, q7k1.x, q7k2.x, q7k3.x), b0, b1, b2, b3);
      sum[29] = plus(sum[29], vec4f(q7k0.y, q7k1.y, q7k2.y, q7k3.y), b0, b1, b2, b3);
      sum[30] = plus(sum[30], vec4f(q7k0.z, q7k1.z, q7k2.z, q7k3.z), b0, b1, b2, b3);
      sum[31] = plus(sum[31], vec4f(q7k0.w, q7k1.w, q7k2.w, q7k3.w), b0, b1, b2, b3);
    }
  }

  // Not min(32, ...), and a 33rd sum: see subgroup.wgsl.
  let endRow = min(row0 + 32u, u.m);
  for (var row = row0; row < endRow; row++) {
    store(z, row, column * 4u, sum[row - row0]);
  }
  if (u.hasSums != 0u && rest % u.tilesN == 0u) { storeSums(z, row0 + 4u * lane, own); }
}
