// out[z, i, j] = f(bias[j] + sum over k of a[z, i, k] * b[z, k, j])
//
// a is [m, k], b is [k, n], both in rows of whole vec4f (zeros past k where k is not a multiple of 4). For software adapters
// without subgroups of four or eight lanes: no workgroup memory, a workgroup is eight threads on the same eight rows, a thread owns
// these rows of 2 x 4 columns in registers. 512 cubed on two cores: 5 - 8 GFLOP/s on lavapipe (one thread per output: 1.7),
// 1.4 - 2.6 on SwiftShader at 256 cubed (0.2), where 4 x 4 columns and broadcasts in its four lanes were no faster.

// #include "common/grid.wgsl"
// #include "common/product.wgsl"

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
  let c0 = (rest % u.tilesN) * 16u + lane;
  let c1 = (rest % u.tilesN) * 16u + lane + 8u;
  // Rows and columns past the end repeat the last ones and are not stored.
  var atB0 = baseB + min(c0, u.bStride - 1u);
  var atB1 = baseB + min(c1, u.bStride - 1u);
  var s0a = vec4f(0.0); var s0b = vec4f(0.0);
  var s1a = vec4f(0.0); var s1b = vec4f(0.0);
  var s2a = vec4f(0.0); var s2b = vec4f(0.0);
  var s3a = vec4f(0.0); var s3b = vec4f(0.0);
  var s4a = vec4f(0.0); var s4b = vec4f(0.0);
  var s5a = vec4f(0.0); var s5b = vec4f(0.0);
  var s6a = vec4f(0.0); var s6b = vec4f(0.0);
  var s7a = vec4f(0.0); var s7b = vec4f(0.0);
  let lastRow = u.m - 1u;
  var atA0 = baseA + min(row0, lastRow) * u.aStride + begin / 4u;
  var atA1 = baseA + min(row0 + 1u, lastRow) * u.aStride + begin / 4u;
  var atA2 = baseA + min(row0 + 2u, lastRow) * u.aStride + begin / 4u;
  var atA3 = baseA + min(row0 + 3u, lastRow) * u.aStride + begin / 4u;
  var atA4 = baseA + min(row0 + 4u, lastRow) * u.aStride + begin / 4u;
  var atA5 = baseA + min(row0 + 5u, lastRow) * u.aStride + begin / 4u;
  var atA6 = baseA + min(row0 + 6u, lastRow) * u.aStride + begin / 4u;
  var atA7 = baseA + min(row0 + 7u, lastRow) * u.aStride + begin / 4u;
  for (var k = begin; k < end; k += 4u) {
    let a0 = vec4f(a[atA0]);
    let a1 = vec4f(a[atA1]);
    let a2 = vec4f(a[atA2]);
    let a3 = vec4f(a[atA3]);
    let a4 = vec4f(a[atA4]);
    let a5 = vec4f(a[atA5]);
    let a6 = vec4f(a[atA6]);
    let a7 = vec4f(a[atA7]);
    let b0a = vec4f(b[atB0]);
    let b0b = vec4f(b[atB1]);
    s0a += a0.x * b0a; s0b += a0.x * b0b;
    s1a += a1.x * b0a; s1b += a1.x * b0b;
    s2a += a2.x * b0a; s2b += a2.x * b0b;
    s3a += a3.x * b0a; s3b += a3.x * b0b;
    s4a += a4.x * b0a; s4b += a4.x * b0b;
    s5a += a5.x * b0a; s5b += a5.x * b0b;
    s6a += a6.x * b0a; s6b += a6.x * b0b;
    s7a += a7.x * b0a; s7b += a7.x * b0b;
    let b1a = vec4f(b[atB0 + u.bStride]);
    let b1b = vec4f(b[atB1 + u.bStride]);
    s0a += a0.y * b1a; s0b += a0.y * b1b;
    s1a += a1.y * b1a; s1b += a1.y * b1b;
    s2a += a2.y * b1a; s2b += a2.y * b1b;
    s3a += a3.y * b1a; s3b += a3.y * b1b;
    s4a += a4.y * b1a; s4b += a4.y * b1b;
    s5a += a5.y * b1a; s5b += a5.y * b1b;
    s6a += a6.y * b1a; s6b += a6.y * b1b;
    s7a += a7.y * b1a; s7b += a7.y * b1b;
    let b2a = vec4f(b[atB0 + 2u * u.bStride]);
    let b2b = vec4f(b[atB1 + 2u * u.bStride]);
    s0a += a0.z * b2a; s0b += a0.z * b2b;
    s1a += a1.z * b2a; s1b += a1.z * b2b;
    s2a += a2.z * b2a; s2b += a2.z * b2b;
    s3a += a3.z * b2a; s3b += a3.z * b2b;
    s4a += a4.z * b2a; s4b += a4.z * b2b;
    s5a += a5.z * b2a; s5b += a5.z * b2b;
    s6a += a6.z * b2a; s6b += a6.z * b2b;
    s7a += a7.z * b2a; s7b += a7.z * b2b;
    let b3a = vec4f(b[atB0 + 3u * u.bStride]);
    let b3b = vec4f(b[atB1 + 3u * u.bStride]);
    s0a += a0.w * b3a; s0b += a0.w * b3b;
    s1a += a1.w * b3a; s1b += a1.w * b3b;
    s2a += a2.w * b3a; s2b += a2.w * b3b;
    s3a += a3.w * b3a; s3b += a3.w * b3b;
    s4a += a4.w * b3a; s4b += a4.w * b3b;
    s5a += a5.w * b3a; s5b += a5.w * b3b;
    s6a += a6.w * b3a; s6b += a6.w * b3b;
    s7a += a7.w * b3a; s7b += a7.w * b3b;
    atB0 += 4u * u.bStride;
    atB1 += 4u * u.bStride;
    atA0++;
    atA1++;
    atA2++;
    atA3++;
    atA4++;
    atA5++;
    atA6++;
    atA7++;
  }

  // A loop of unknown length, so that compilers do not copy the epilogue for each row.
  var sums0 = array<vec4f, 8>(s0a, s1a, s2a, s3a, s4a, s5a, s6a, s7a);
  var sums1 = array<vec4f, 8>(s0b, s1b, s2b, s3b, s4b, s5b, s6b, s7b);
  let bias0 = biasOf(c0 * 4u);
  let bias1 = biasOf(c1 * 4u);
  let rows = min(8u, u.m - row0);
  for (var r = 0u; r < rows; r++) {
    store(z, row0 + r, c0 * 4u, sums0[r] + bias0);
    store(z, row0 + r, c1 * 4u, sums1[r] + bias1);
  }
}
