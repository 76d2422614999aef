// out[z, i, j] = sum over k of a[z, k, i] * b[z, k, j]: the gradient of a weight, a sum over all pixels; and sums, of a alone
//
// For software adapters without subgroups of four or eight lanes: a workgroup is eight threads on the same eight rows, a thread owns these rows of
// 3 x 4 columns in registers. On lavapipe half as fast as subgroupTransposed.wgsl.

// #include "common/grid.wgsl"
// #include "common/productTransposed.wgsl"

@compute @workgroup_size(8)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let tile = linearWorkgroup(workgroup, workgroups);
  if (tile >= u.tilesM * u.tilesN * u.slices) { return; }
  // Neighboring workgroups share columns of b, then the part of the k axis.
  let row0 = (tile % u.tilesM) * 8u;
  let rest = tile / u.tilesM;
  let z = rest / u.tilesN;
  let begin = u.split * z * u.chunk;
  let end = min(begin + u.chunk, u.k);
  let baseA = z * u.aBatch;
  let baseB = z * u.bBatch + begin * u.bStride;
  let c0 = (rest % u.tilesN) * 24u + lane;
  let c1 = c0 + 8u;
  let c2 = c0 + 16u;
  // Rows and columns past the end repeat the last ones and are not stored.
  var atB0 = baseB + min(c0, u.bStride - 1u);
  var atB1 = baseB + min(c1, u.bStride - 1u);
  var atB2 = baseB + min(c2, u.bStride - 1u);
  var s0a = vec4f(0.0); var s0b = vec4f(0.0); var s0c = vec4f(0.0);
  var s1a = vec4f(0.0); var s1b = vec4f(0.0); var s1c = vec4f(0.0);
  var s2a = vec4f(0.0); var s2b = vec4f(0.0); var s2c = vec4f(0.0);
  var s3a = vec4f(0.0); var s3b = vec4f(0.0); var s3c = vec4f(0.0);
  var s4a = vec4f(0.0); var s4b = vec4f(0.0); var s4c = vec4f(0.0);
  var s5a = vec4f(0.0); var s5b = vec4f(0.0); var s5c = vec4f(0.0);
  var s6a = vec4f(0.0); var s6b = vec4f(0.0); var s6c = vec4f(0.0);
  var s7a = vec4f(0.0); var s7b = vec4f(0.0); var s7c = vec4f(0.0);
  var atA0 = baseA + begin * u.aStride + min(row0 / 4u, u.aStride - 1u);
  var atA1 = baseA + begin * u.aStride + min(row0 / 4u + 1u, u.aStride - 1u);
  var sum0 = vec4f(0.0);
  var sum1 = vec4f(0.0);
  for (var k = begin; k < end; k++) {
    let a0 = vec4f(a[atA0]); let a1 = vec4f(a[atA1]);
    let b0 = vec4f(b[atB0]); let b1 = vec4f(b[atB1]); let b2 = vec4f(b[atB2]);
    s0a += a0.x * b0; s0b += a0.x * b1; s0c += a0.x * b2;
    s1a += a0.y * b0; s1b += a0.y * b1; s1c += a0.y * b2;
    s2a += a0.z * b0; s2b += a0.z * b1; s2c += a0.z * b2;
    s3a += a0.w * b0; s3b += a0.w * b1; s3c += a0.w * b2;
    s4a += a1.x * b0; s4b += a1.x * b1; s4c += a1.x * b2;
    s5a += a1.y * b0; s5b += a1.y * b1; s5c += a1.y * b2;
    s6a += a1.z * b0; s6b += a1.z * b1; s6c += a1.z * b2;
    s7a += a1.w * b0; s7b += a1.w * b1; s7c += a1.w * b2;
    sum0 += a0;
    sum1 += a1;
    atA0 += u.aStride;
    atA1 += u.aStride;
    atB0 += u.bStride;
    atB1 += u.bStride;
    atB2 += u.bStride;
  }

  // A loop that seems able to turn more than 32 times, or Mesa copies the stores for each row: see subgroup.wgsl.
  var sums0: array<vec4f, 33>;
  sums0[0] = s0a; sums0[1] = s1a; sums0[2] = s2a; sums0[3] = s3a; sums0[4] = s4a; sums0[5] = s5a; sums0[6] = s6a; sums0[7] = s7a;
  var sums1: array<vec4f, 33>;
  sums1[0] = s0b; sums1[1] = s1b; sums1[2] = s2b; sums1[3] = s3b; sums1[4] = s4b; sums1[5] = s5b; sums1[6] = s6b; sums1[7] = s7b;
  var sums2: array<vec4f, 33>;
  sums2[0] = s0c; sums2[1] = s1c; sums2[2] = s2c; sums2[3] = s3c; sums2[4] = s4c; sums2[5] = s5c; sums2[6] = s6c; sums2[7] = s7c;
  let endRow = min(row0 + 8u, u.m);
  for (var to = row0; to < endRow; to++) {
    let r = to - row0;
    store(z, to, c0 * 4u, sums0[r]);
    store(z, to, c1 * 4u, sums1[r]);
    store(z, to, c2 * 4u, sums2[r]);
  }
  if (u.hasSums != 0u && c0 == 0u) {
    storeSums(z, row0, sum0);
    storeSums(z, row0 + 4u, sum1);
  }
}
