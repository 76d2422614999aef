// out[z, i, j] = sum over k of a[z, k, i] * b[z, k, j]: the gradient of a weight, a sum over all pixels; and sums, of a alone
//
// For GPUs: a workgroup of 256 threads owns 64 x 64 outputs and walks the k axis in steps of 16, through workgroup memory: each
// thread brings one vec4f of a and one of b, and multiplies 4 rows by 4 columns in registers. A thread adds up the numbers of a that it
// brings, one row of k in sixteen; the workgroups of the first columns add those up in the end.

// #include "common/grid.wgsl"
// #include "common/productTransposed.wgsl"

var<workgroup> tileA: array<vec4f, 256>;
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

  // What this thread brings: four rows of one k of a, four columns of the same k of b. Rows and columns past the end repeat the
  // last ones and are not stored, a k past the end is zero.
  let high = thread / 16u;
  let low = thread % 16u;
  var atA = z * u.aBatch + (begin + high) * u.aStride + min(row0 / 4u + low, u.aStride - 1u);
  var atB = z * u.bBatch + (begin + high) * u.bStride + min(quad0 + low, u.bStride - 1u);

  var s0 = vec4f(0.0);
  var s1 = vec4f(0.0);
  var s2 = vec4f(0.0);
  var s3 = vec4f(0.0);
  var sum = vec4f(0.0);
  for (var k0 = begin; k0 < end; k0 += 16u) {
    var valueA = vec4f(0.0);
    var valueB = vec4f(0.0);
    if (k0 + high < end) {
      valueA = vec4f(a[atA]);
      valueB = vec4f(b[atB]);
    }
    tileA[thread] = valueA;
    tileB[thread] = valueB;
    sum += valueA;
    atA += 16u * u.aStride;
    atB += 16u * u.bStride;
    workgroupBarrier();
    for (var k = 0u; k < 16u; k++) {
      let valueOfA = tileA[k * 16u + high];
      let valueOfB = tileB[k * 16u + low];
      s0 += valueOfA.x * valueOfB;
      s1 += valueOfA.y * valueOfB;
      s2 += valueOfA.z * valueOfB;
      s3 += valueOfA.w * valueOfB;
    }
    workgroupBarrier();
  }

  let row = row0 + high * 4u;
  let column = (quad0 + low) * 4u;
  if (row < u.m) {
    store(z, row, column, s0);
    store(z, row + 1u, column, s1);
    store(z, row + 2u, column, s2);
    store(z, row + 3u, column, s3);
  }
  if (u.hasSums == 0u || quad0 != 0u) { return; }
  tileA[thread] = sum;
  workgroupBarrier();
  if (thread >= 16u) { return; }
  for (var other = 1u; other < 16u; other++) { sum += tileA[other * 16u + low]; }
  storeSums(z, row0 + low * 4u, sum);
}
