// out[z, i, j] = sum over k of a[z, k, i] * b[z, k, j]: the gradient of a weight, a sum over all pixels; and sums, of a alone
//
// For GPUs with matrix units: see common/matrixTile.wgsl. A thread always brings the same four rows of a, and so adds them up on the way.

diagnostic(off, chromium.subgroup_matrix_uniformity);
enable subgroups;
enable chromium_experimental_subgroup_matrix;

// #include "common/grid.wgsl"
// #include "common/productTransposed.wgsl"
// #include "common/matrixTile.wgsl"

var<workgroup> tileA: array<Scalar, DEPTH * ROW>;

fn leftOf(row: u32, k: u32) -> Left {
  return leftTransposedAt(k * ROW + row, ROW);
}

// #include "common/subgroup.wgsl"
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,
  @builtin(subgroup_id) subgroup: u32,
) {
  let tile = linearWorkgroup(workgroup, workgroups);
  if (tile >= u.tilesM * u.tilesN * u.slices) { return; }
  let row0 = (tile % u.tilesM) * 64u;
  let rest = tile / u.tilesM;
  let quad0 = (rest % u.tilesN) * 16u;
  let z = rest / u.tilesN;
  let begin = u.split * z * u.chunk;
  let end = min(begin + u.chunk, u.k);

  // THREADS is a multiple of 16, so that i % 16 is the same all along.
  let quad = thread % 16u;
  var sum = vec4f(0.0);
  var sums: Quadrant;
  for (var k0 = begin; k0 < end; k0 += DEPTH) {
    for (var i = thread; i < 16u * DEPTH; i += THREADS) {
      let k = k0 + i / 16u;
      var valueA = Vec4();
      var valueB = Vec4();
      if (k < end && row0 / 4u + quad < u.aStride) { valueA = a[z * u.aBatch + k * u.aStride + row0 / 4u + quad]; }
      if (k < end && quad0 + quad < u.bStride) { valueB = b[z * u.bBatch + k * u.bStride + quad0 + quad]; }
      sum += vec4f(valueA);
      bringA((i / 16u) * ROW + quad * 4u, valueA);
      bringB(i / 16u, quad, valueB);
    }
    workgroupBarrier();
    multiplyTiles(&sums, subgroup);
    workgroupBarrier();
  }

  for (var index = 0u; index < DOWN * ACROSS; index++) {
    stageQuadrant(subgroup, &sums, index);
    workgroupBarrier();
    for (var each = thread; each < STAGED; each += THREADS) {
      let four = staged(index, each);
      if (row0 + four.row < u.m) { store(z, row0 + four.row, quad0 * 4u + four.column, four.value); }
    }
    workgroupBarrier();
  }

  if (u.hasSums == 0u || quad0 != 0u) { return; }
  for (var i = 0u; i < 4u; i++) { stage[thread * 4u + i] = sum[i]; }
  workgroupBarrier();
  if (thread >= 16u) { return; }
  // In the order of the threads: the same sum in every run.
  for (var other = thread + 16u; other < THREADS; other += 16u) {
    let at = other * 4u;
    sum += vec4f(stage[at], stage[at + 1u], stage[at + 2u], stage[at + 3u]);
  }
  storeSums(z, row0 + quad * 4u, sum);
}
