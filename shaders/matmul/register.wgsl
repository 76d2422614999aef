// out[z, i, j] = f(bias[j] + sum over k of a[z, i, k] * b[z, k, j])
//
// experiment

// #include "common/grid.wgsl"
// #include "common/matmulStore.wgsl"

// Whether a is stored [k, m]: then its rows are vec4f along m.
override A_TRANSPOSED: bool = false;

// aStride, bStride, aBatch and bBatch count vec4f. Slice z of the grid is a batch entry, or with split-K the part
// z * chunk .. z * chunk + chunk - 1 of the k axis.
struct Uniforms {
  m: u32, n: u32, k: u32, chunk: u32, split: u32, slices: u32, tilesM: u32, tilesN: u32,
  aStride: u32, aBatch: u32, bStride: u32, bBatch: u32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> a: array<vec4f>;
@group(0) @binding(2) var<storage, read> b: array<vec4f>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
@group(0) @binding(5) var<storage, read_write> pre: array<f32>;

@compute @workgroup_size(8)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let tile = linearWorkgroup(workgroup, workgroups);
  if (tile >= u.tilesM * u.tilesN * u.slices) { return; }
  let row0 = (tile % u.tilesM) * 8u;
  let rest = tile / u.tilesM;
  let z = rest / u.tilesN;
  let column0 = (rest % u.tilesN) * (8u * 2u) + lane;
  let begin = select(0u, z * u.chunk, u.split != 0u);
  let end = min(begin + u.chunk, u.k);
  let baseA = z * u.aBatch;
  let c0 = column0;
  let c1 = column0 + 8u;
  var at0 = z * u.bBatch + begin * u.bStride + min(c0, u.bStride - 1u);
  var at1 = z * u.bBatch + begin * u.bStride + min(c1, u.bStride - 1u);
  var s0a = vec4f(0.0); var s0b = vec4f(0.0);
  var s1a = vec4f(0.0); var s1b = vec4f(0.0);
  var s2a = vec4f(0.0); var s2b = vec4f(0.0);
  var s3a = vec4f(0.0); var s3b = vec4f(0.0);
  var s4a = vec4f(0.0); var s4b = vec4f(0.0);
  var s5a = vec4f(0.0); var s5b = vec4f(0.0);
  var s6a = vec4f(0.0); var s6b = vec4f(0.0);
  var s7a = vec4f(0.0); var s7b = vec4f(0.0);
  if (A_TRANSPOSED) {
    let lastM = u.aStride - 1u;
    var p0 = baseA + begin * u.aStride + min(row0 / 4u + 0u, lastM);
    var p1 = baseA + begin * u.aStride + min(row0 / 4u + 1u, lastM);
    for (var k = begin; k < end; k++) {
      let a0 = a[p0];
      let a1 = a[p1];
      let b0 = b[at0];
      let b1 = b[at1];
      s0a += a0.x * b0; s0b += a0.x * b1;
      s1a += a0.y * b0; s1b += a0.y * b1;
      s2a += a0.z * b0; s2b += a0.z * b1;
      s3a += a0.w * b0; s3b += a0.w * b1;
      s4a += a1.x * b0; s4b += a1.x * b1;
      s5a += a1.y * b0; s5b += a1.y * b1;
      s6a += a1.z * b0; s6b += a1.z * b1;
      s7a += a1.w * b0; s7b += a1.w * b1;
      p0 += u.aStride;
      p1 += u.aStride;
      at0 += u.bStride;
      at1 += u.bStride;
    }
  } else {
    let lastRow = u.m - 1u;
    var p0 = baseA + min(row0, lastRow) * u.aStride + begin / 4u;
    var p1 = baseA + min(row0 + 1u, lastRow) * u.aStride + begin / 4u;
    var p2 = baseA + min(row0 + 2u, lastRow) * u.aStride + begin / 4u;
    var p3 = baseA + min(row0 + 3u, lastRow) * u.aStride + begin / 4u;
    var p4 = baseA + min(row0 + 4u, lastRow) * u.aStride + begin / 4u;
    var p5 = baseA + min(row0 + 5u, lastRow) * u.aStride + begin / 4u;
    var p6 = baseA + min(row0 + 6u, lastRow) * u.aStride + begin / 4u;
    var p7 = baseA + min(row0 + 7u, lastRow) * u.aStride + begin / 4u;
    for (var k = begin; k < end; k += 4u) {
      let a0 = a[p0];
      let a1 = a[p1];
      let a2 = a[p2];
      let a3 = a[p3];
      let a4 = a[p4];
      let a5 = a[p5];
      let a6 = a[p6];
      let a7 = a[p7];
      {
        let b0 = b[at0];
        let b1 = b[at1];
        s0a += a0.x * b0; s0b += a0.x * b1;
        s1a += a1.x * b0; s1b += a1.x * b1;
        s2a += a2.x * b0; s2b += a2.x * b1;
        s3a += a3.x * b0; s3b += a3.x * b1;
        s4a += a4.x * b0; s4b += a4.x * b1;
        s5a += a5.x * b0; s5b += a5.x * b1;
        s6a += a6.x * b0; s6b += a6.x * b1;
        s7a += a7.x * b0; s7b += a7.x * b1;
        at0 += u.bStride;
        at1 += u.bStride;
      }
      {
        let b0 = b[at0];
        let b1 = b[at1];
        s0a += a0.y * b0; s0b += a0.y * b1;
        s1a += a1.y * b0; s1b += a1.y * b1;
        s2a += a2.y * b0; s2b += a2.y * b1;
        s3a += a3.y * b0; s3b += a3.y * b1;
        s4a += a4.y * b0; s4b += a4.y * b1;
        s5a += a5.y * b0; s5b += a5.y * b1;
        s6a += a6.y * b0; s6b += a6.y * b1;
        s7a += a7.y * b0; s7b += a7.y * b1;
        at0 += u.bStride;
        at1 += u.bStride;
      }
      {
        let b0 = b[at0];
        let b1 = b[at1];
        s0a += a0.z * b0; s0b += a0.z * b1;
        s1a += a1.z * b0; s1b += a1.z * b1;
        s2a += a2.z * b0; s2b += a2.z * b1;
        s3a += a3.z * b0; s3b += a3.z * b1;
        s4a += a4.z * b0; s4b += a4.z * b1;
        s5a += a5.z * b0; s5b += a5.z * b1;
        s6a += a6.z * b0; s6b += a6.z * b1;
        s7a += a7.z * b0; s7b += a7.z * b1;
        at0 += u.bStride;
        at1 += u.bStride;
      }
      {
        let b0 = b[at0];
        let b1 = b[at1];
        s0a += a0.w * b0; s0b += a0.w * b1;
        s1a += a1.w * b0; s1b += a1.w * b1;
        s2a += a2.w * b0; s2b += a2.w * b1;
        s3a += a3.w * b0; s3b += a3.w * b1;
        s4a += a4.w * b0; s4b += a4.w * b1;
        s5a += a5.w * b0; s5b += a5.w * b1;
        s6a += a6.w * b0; s6b += a6.w * b1;
        s7a += a7.w * b0; s7b += a7.w * b1;
        at0 += u.bStride;
        at1 += u.bStride;
      }
      p0++; p1++; p2++; p3++; p4++; p5++; p6++; p7++;
    }
  }
  store(z, row0, c0 * 4u, s0a);
  store(z, row0, c1 * 4u, s0b);
  store(z, row0 + 1u, c0 * 4u, s1a);
  store(z, row0 + 1u, c1 * 4u, s1b);
  store(z, row0 + 2u, c0 * 4u, s2a);
  store(z, row0 + 2u, c1 * 4u, s2b);
  store(z, row0 + 3u, c0 * 4u, s3a);
  store(z, row0 + 3u, c1 * 4u, s3b);
  store(z, row0 + 4u, c0 * 4u, s4a);
  store(z, row0 + 4u, c1 * 4u, s4b);
  store(z, row0 + 5u, c0 * 4u, s5a);
  store(z, row0 + 5u, c1 * 4u, s5b);
  store(z, row0 + 6u, c0 * 4u, s6a);
  store(z, row0 + 6u, c1 * 4u, s6b);
  store(z, row0 + 7u, c0 * 4u, s7a);
  store(z, row0 + 7u, c1 * 4u, s7b);
}
