// out[z, i, j] = f(bias[j] + sum over k of a[z, i, k] * b[z, k, j])
//
// a is [m, k], b is [k, n], both in rows of whole vec4f (zeros past k where k is not a multiple of 4). For adapters whose
// subgroups have eight lanes (lavapipe): a workgroup is one subgroup and owns 32 rows of 8 x 4 columns, whose sums lie in memory
// of its own. Lane i loads the a of rows i, i + 8 and so on, four k at a time, and hands it round by shuffles, one instruction each.
//
// Why this shape: lavapipe loads lane by lane and element by element, each behind a test of the lane and one of the bounds: a vec4f of
// eight lanes is some 330 instructions, as many as 80 products and sums of eight lanes. So what counts is how often a number that was loaded is
// used; 32 x 32 outputs use each 32 times. 48 - 57 GFLOP/s of two cores undisturbed (512 cubed), where 8 rows by broadcasts gave 26 - 29.
// 64 rows or columns were no faster (the loop leaves the caches of code). The sums are an array that the last loop indexes: as variables they
// would all be alive across the loads' hundreds of branches, which doubles the time of compiling. Groups of eight rows past the end are skipped.

enable subgroups;

// #include "common/grid.wgsl"
// #include "common/product.wgsl"

// Adds the products of four k; x holds them of one row of a, b0 to b3 of four columns of b.
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
  // Rows and columns past the end repeat the last ones and are not stored.
  let lastRow = u.m - 1u;
  let baseA = z * u.aBatch + begin / 4u;
  var atA0 = baseA + min(row0 + lane, lastRow) * u.aStride;
  var atA1 = baseA + min(row0 + 8u + lane, lastRow) * u.aStride;
  var atA2 = baseA + min(row0 + 16u + lane, lastRow) * u.aStride;
  var atA3 = baseA + min(row0 + 24u + lane, lastRow) * u.aStride;
  var atB = z * u.bBatch + begin * u.bStride + min(column, u.bStride - 1u);
  var sums: array<vec4f, 33>;
  for (var k = begin; k < end; k += 4u) {
    let b0 = vec4f(b[atB]);
    let b1 = vec4f(b[atB + u.bStride]);
    let b2 = vec4f(b[atB + 2u * u.bStride]);
    let b3 = vec4f(b[atB + 3u * u.bStride]);
    let a0 = vec4f(a[atA0]);
    sums[0] = plus(sums[0], subgroupShuffle(a0, 0u), b0, b1, b2, b3);
    sums[1] = plus(sums[1], subgroupShuffle(a0, 1u), b0, b1, b2, b3);
    sums[2] = plus(sums[2], subgroupShuffle(a0, 2u), b0, b1, b2, b3);
    sums[3] = plus(sums[3], subgroupShuffle(a0, 3u), b0, b1, b2, b3);
    sums[4] = plus(sums[4], subgroupShuffle(a0, 4u), b0, b1, b2, b3);
    sums[5] = plus(sums[5], subgroupShuffle(a0, 5u), b0, b1, b2, b3);
    sums[6] = plus(sums[6], subgroupShuffle(a0, 6u), b0, b1, b2, b3);
    sums[7] = plus(sums[7], subgroupShuffle(a0, 7u), b0, b1, b2, b3);
    if (rows > 8u) {
      let a1 = vec4f(a[atA1]);
      sums[8] = plus(sums[8], subgroupShuffle(a1, 0u), b0, b1, b2, b3);
      sums[9] = plus(sums[9], subgroupShuffle(a1, 1u), b0, b1, b2, b3);
      sums[10] = plus(sums[10], subgroupShuffle(a1, 2u), b0, b1, b2, b3);
      sums[11] = plus(sums[11], subgroupShuffle(a1, 3u), b0, b1, b2, b3);
      sums[12] = plus(sums[12], subgroupShuffle(a1, 4u), b0, b1, b2, b3);
      sums[13] = plus(sums[13], subgroupShuffle(a1, 5u), b0, b1, b2, b3);
      sums[14] = plus(sums[14], subgroupShuffle(a1, 6u), b0, b1, b2, b3);
      sums[15] = plus(sums[15], subgroupShuffle(a1, 7u), b0, b1, b2, b3);
    }
    if (rows > 16u) {
      let a2 = vec4f(a[atA2]);
      sums[16] = plus(sums[16], subgroupShuffle(a2, 0u), b0, b1, b2, b3);
      sums[17] = plus(sums[17], subgroupShuffle(a2, 1u), b0, b1, b2, b3);
      sums[18] = plus(sums[18], subgroupShuffle(a2, 2u), b0, b1, b2, b3);
      sums[19] = plus(sums[19], subgroupShuffle(a2, 3u), b0, b1, b2, b3);
      sums[20] = plus(sums[20], subgroupShuffle(a2, 4u), b0, b1, b2, b3);
      sums[21] = plus(sums[21], subgroupShuffle(a2, 5u), b0, b1, b2, b3);
      sums[22] = plus(sums[22], subgroupShuffle(a2, 6u), b0, b1, b2, b3);
      sums[23] = plus(sums[23], subgroupShuffle(a2, 7u), b0, b1, b2, b3);
    }
    if (rows > 24u) {
      let a3 = vec4f(a[atA3]);
      sums[24] = plus(sums[24], subgroupShuffle(a3, 0u), b0, b1, b2, b3);
      sums[25] = plus(sums[25], subgroupShuffle(a3, 1u), b0, b1, b2, b3);
      sums[26] = plus(sums[26], subgroupShuffle(a3, 2u), b0, b1, b2, b3);
      sums[27] = plus(sums[27], subgroupShuffle(a3, 3u), b0, b1, b2, b3);
      sums[28] = plus(sums[28], subgroupShuffle(a3, 4u), b0, b1, b2, b3);
      sums[29] = plus(sums[29], subgroupShuffle(a3, 5u), b0, b1, b2, b3);
      sums[30] = plus(sums[30], subgroupShuffle(a3, 6u), b0, b1, b2, b3);
      sums[31] = plus(sums[31], subgroupShuffle(a3, 7u), b0, b1, b2, b3);
    }
    atA0++;
    atA1++;
    atA2++;
    atA3++;
    atB += 4u * u.bStride;
  }

  // Mesa unrolls a loop that cannot turn more than 32 times, as min(32, ...) or the length of an array tell it: each store would be
  // compiled 32 times, which is seconds. Hence the bound as a row and the 33rd sum.
  let shift = biasOf(column * 4u);
  let endRow = min(row0 + 32u, u.m);
  for (var row = row0; row < endRow; row++) {
    store(z, row, column * 4u, sums[row - row0] + shift);
  }
}
