enable subgroups;

// out[z, i, j] = f(bias[j] + sum over k of a[z, i, k] * b[z, k, j])
//
// a is [m, k], b is [k, n], both in rows of whole vec4f (zeros past k where k is no multiple of 4). For adapters whose
// subgroups have eight lanes (lavapipe): a workgroup is one subgroup and owns eight rows of 8 x 4 columns. Lane i loads
// the a of row i, four k at a time, and hands it round by broadcasts: each number of a is loaded once and not once a lane,
// for on lavapipe a load is a gather, lane by lane. 13 - 20 GFLOP/s at 512 cubed on two cores; twice the columns a lane
// were no faster and waste more where n is 96, four times were slower (registers spill) and took 3 s to compile.

// #include "common/grid.wgsl"
// #include "common/product.wgsl"

@compute @workgroup_size(8)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let tile = linearWorkgroup(workgroup, workgroups);
  if (tile >= u.tilesM * u.tilesN * u.slices) { return; }
  // Neighbouring workgroups share columns of b, then the part of the k axis.
  let row0 = (tile % u.tilesM) * 8u;
  let rest = tile / u.tilesM;
  let z = rest / u.tilesN;
  let begin = u.split * z * u.chunk;
  let end = min(begin + u.chunk, u.k);
  let baseA = z * u.aBatch;
  let baseB = z * u.bBatch + begin * u.bStride;
  let c0 = (rest % u.tilesN) * 8u + lane;
  // Rows and columns past the end repeat the last ones and are not stored.
  var atB0 = baseB + min(c0, u.bStride - 1u);
  var s0 = vec4f(0.0);
  var s1 = vec4f(0.0);
  var s2 = vec4f(0.0);
  var s3 = vec4f(0.0);
  var s4 = vec4f(0.0);
  var s5 = vec4f(0.0);
  var s6 = vec4f(0.0);
  var s7 = vec4f(0.0);
  let lastRow = u.m - 1u;
  var atA = baseA + min(row0 + lane, lastRow) * u.aStride + begin / 4u;
  for (var k = begin; k < end; k += 4u) {
    let own = vec4f(a[atA]);
    let a0 = subgroupBroadcast(own, 0u);
    let a1 = subgroupBroadcast(own, 1u);
    let a2 = subgroupBroadcast(own, 2u);
    let a3 = subgroupBroadcast(own, 3u);
    let a4 = subgroupBroadcast(own, 4u);
    let a5 = subgroupBroadcast(own, 5u);
    let a6 = subgroupBroadcast(own, 6u);
    let a7 = subgroupBroadcast(own, 7u);
    let b0 = vec4f(b[atB0]);
    s0 += a0.x * b0;
    s1 += a1.x * b0;
    s2 += a2.x * b0;
    s3 += a3.x * b0;
    s4 += a4.x * b0;
    s5 += a5.x * b0;
    s6 += a6.x * b0;
    s7 += a7.x * b0;
    let b1 = vec4f(b[atB0 + u.bStride]);
    s0 += a0.y * b1;
    s1 += a1.y * b1;
    s2 += a2.y * b1;
    s3 += a3.y * b1;
    s4 += a4.y * b1;
    s5 += a5.y * b1;
    s6 += a6.y * b1;
    s7 += a7.y * b1;
    let b2 = vec4f(b[atB0 + 2u * u.bStride]);
    s0 += a0.z * b2;
    s1 += a1.z * b2;
    s2 += a2.z * b2;
    s3 += a3.z * b2;
    s4 += a4.z * b2;
    s5 += a5.z * b2;
    s6 += a6.z * b2;
    s7 += a7.z * b2;
    let b3 = vec4f(b[atB0 + 3u * u.bStride]);
    s0 += a0.w * b3;
    s1 += a1.w * b3;
    s2 += a2.w * b3;
    s3 += a3.w * b3;
    s4 += a4.w * b3;
    s5 += a5.w * b3;
    s6 += a6.w * b3;
    s7 += a7.w * b3;
    atB0 += 4u * u.bStride;
    atA++;
  }

  // A loop of unknown length, so that compilers do not copy the epilogue for each row.
  var sums0 = array<vec4f, 8>(s0, s1, s2, s3, s4, s5, s6, s7);
  let bias0 = biasOf(c0 * 4u);
  let rows = min(8u, u.m - row0);
  for (var r = 0u; r < rows; r++) {
    store(z, row0 + r, c0 * 4u, sums0[r] + bias0);
  }
}
