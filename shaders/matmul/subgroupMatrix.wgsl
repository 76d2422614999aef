// out[z, i, j] = f(bias[j] + sum over k of a[z, i, k] * b[z, k, j])
//
// a is [m, k], b is [k, n], both in rows of whole vec4f (zeros past k where k is not a multiple of 4). For GPUs with matrix units: see
// common/matrixTile.wgsl.

diagnostic(off, chromium.subgroup_matrix_uniformity);
enable subgroups;
enable chromium_experimental_subgroup_matrix;

// #include "common/grid.wgsl"
// #include "common/product.wgsl"
// #include "common/matrixTile.wgsl"

const A_ROW = DEPTH + 8u;
var<workgroup> tileA: array<Scalar, 64u * A_ROW>;

fn leftOf(row: u32, k: u32) -> Left {
  return leftAt(row * A_ROW + k, A_ROW);
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

  var sums: Quadrant;
  for (var k0 = begin; k0 < end; k0 += DEPTH) {
    for (var i = thread; i < 16u * DEPTH; i += THREADS) {
      let row = i / (DEPTH / 4u);
      let k = (i % (DEPTH / 4u)) * 4u;
      var value = Vec4();
      if (row0 + row < u.m && k0 + k < end) { value = a[z * u.aBatch + (row0 + row) * u.aStride + (k0 + k) / 4u]; }
      bringA(row * A_ROW + k, value);
    }
    for (var i = thread; i < 16u * DEPTH; i += THREADS) {
      let k = i / 16u;
      let quad = i % 16u;
      var value = Vec4();
      if (k0 + k < end && quad0 + quad < u.bStride) { value = b[z * u.bBatch + (k0 + k) * u.bStride + quad0 + quad]; }
      bringB(k, quad, value);
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
      let column = quad0 * 4u + four.column;
      if (row0 + four.row < u.m) { store(z, row0 + four.row, column, four.value + biasOf(column)); }
    }
    workgroupBarrier();
  }
}
