// out[z, i, j] = f(bias[j] + sum over k of a[z, i, k] * b[z, k, j])
//
// Strides say where an element lies (a[z * aBatch + i * aRow + k * aInner], b alike), so all transposes and batches are one
// kernel. A thread owns one output element. The simple version: it loads two numbers for two operations.

// #include "common/grid.wgsl"
// #include "common/matmulStore.wgsl"

struct Uniforms {
  m: u32, n: u32, k: u32, size: u32,
  aBatch: u32, aRow: u32, aInner: u32,
  bBatch: u32, bInner: u32, bColumn: u32,
  hasBias: u32, writesPre: u32, relu: u32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
@group(0) @binding(5) var<storage, read_write> pre: array<f32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = linearWorkgroup(workgroup, workgroups) * 64u + lane;
  if (i >= u.size) { return; }
  let column = i % u.n;
  let row = (i / u.n) % u.m;
  let z = i / (u.n * u.m);
  var atA = z * u.aBatch + row * u.aRow;
  var atB = z * u.bBatch + column * u.bColumn;
  var sum = 0.0;
  for (var k = 0u; k < u.k; k++) {
    sum += a[atA] * b[atB];
    atA += u.aInner;
    atB += u.bInner;
  }
  if (u.hasBias != 0u) { sum += bias[column]; }
  if (u.writesPre != 0u) { pre[i] = sum; }
  out[i] = activate(vec4f(sum)).x;
}
