// out[z, i, j] = f(bias[j] + sum over k of a[z, i, k] * b[z, k, j])
//
// a is [m, k], b is [k, n], in rows of whole vec4f (zeros past k where k is not a multiple of 4). For GPUs: a
// workgroup of 256 threads owns 64 x 64 outputs and walks the k axis in steps of 16, through workgroup memory: each
// thread brings one vec4f of a and one of b, and multiplies 4 rows by 4 columns in registers. a lies in workgroup memory as [k, row],
// rows 68 apart so that the scattered stores of [m, k] meet different banks.

// #include "common/grid.wgsl"
// #include "common/product.wgsl"

const A_ROW = 68u;
var<workgroup> tileA: array<f32, 1088>;
var<workgroup> tileB: array<vec4f, 256>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let tile = linearWorkgroup(workgroup, workgroups);
  if (tile >= u.tilesM * u.tilesN * u.slices) { return; }
  let row0 = (tile % u.tilesM) * 64u;
  let rest = tile / u.tilesM;
  let quad0 = (rest % u.tilesN) * 16u;
  let z = rest / u.tilesN;
  let begin = u.split * z * u.chunk;
  let end = min(begin + u.chunk, u.k);

  // What this thread brings: four k of one row of a, one vec4f of a row of b. Rows and columns past the end repeat the last ones
  // and are not stored, a k past the end is zero.
  let high = thread / 16u;
  let low = thread % 16u;
  let kA = (thread % 4u) * 4u;
  let rowA = thread / 4u;
  var atA = z * u.aBatch + min(row0 + rowA, u.m - 1u) * u.aStride + (begin + kA) / 4u;
  var atB = z * u.bBatch + (begin + high) * u.bStride + min(quad0 + low, u.bStride - 1u);

  var s0 = vec4f(0.0);
  var s1 = vec4f(0.0);
  var s2 = vec4f(0.0);
  var s3 = vec4f(0.0);
  for (var k0 = begin; k0 < end; k0 += 16u) {
    var valueA = vec4f(0.0);
    if (k0 + kA < end) { valueA = vec4f(a[atA]); }
    var valueB = vec4f(0.0);
    if (k0 + high < end) { valueB = vec4f(b[atB]); }
    let at = kA * A_ROW + rowA;
    tileA[at] = valueA.x;
    tileA[at + A_ROW] = valueA.y;
    tileA[at + 2u * A_ROW] = valueA.z;
    tileA[at + 3u * A_ROW] = valueA.w;
    atA += 4u;
    tileB[thread] = valueB;
    atB += 16u * u.bStride;
    workgroupBarrier();
    for (var k = 0u; k < 16u; k++) {
      let at = k * A_ROW + high * 4u;
      let valueOfB = tileB[k * 16u + low];
      s0 += tileA[at] * valueOfB;
      s1 += tileA[at + 1u] * valueOfB;
      s2 += tileA[at + 2u] * valueOfB;
      s3 += tileA[at + 3u] * valueOfB;
    }
    workgroupBarrier();
  }

  let row = row0 + high * 4u;
  if (row >= u.m) { return; }
  // A loop of unknown length, so that compilers do not copy the epilogue for each row.
  var sums = array<vec4f, 4>(s0, s1, s2, s3);
  let column = (quad0 + low) * 4u;
  let columnBias = biasOf(column);
  let rows = min(4u, u.m - row);
  for (var r = 0u; r < rows; r++) {
    store(z, row + r, column, sums[r] + columnBias);
  }
}
