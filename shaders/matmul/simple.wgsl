// sum = bias[j] + sum over k of a[z, i, k] * b[z, k, j]      value = f(sum) or sum * gelu'(side[z, i, j])
// out[z, i, j] = value * gain * scale[j] * factor[i / rowsPerFactor] + side[z, i, j]      kept[z, i, j] = sum or gelu(side[z, i, j])
//
// Which of them are there is stated as in common/product.wgsl. Strides say where an element lies (a[z * aBatch + i * aRow + k * aInner], b
// alike), so all transposes and batches are one kernel. A thread owns one output element. The simple version: it loads two
// numbers for two operations.

// #include "common/grid.wgsl"
// #include "common/storage.wgsl"
// #include "common/result.wgsl"
// #include "common/gelu.wgsl"
// #include "common/relu.wgsl"

struct Uniforms {
  m: u32, n: u32, k: u32, size: u32,
  aBatch: u32, aRow: u32, aInner: u32,
  bBatch: u32, bInner: u32, bColumn: u32,
  hasBias: u32, activation: u32, hasScale: u32, rowsPerFactor: u32, side: u32, keeps: u32, gain: f32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> a: array<Scalar>;
@group(0) @binding(2) var<storage, read> b: array<Scalar>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> scale: array<f32>;
@group(0) @binding(5) var<storage, read> factor: array<f32>;
@group(0) @binding(6) var<storage, read> side: array<Scalar>;
@group(0) @binding(7) var<storage, read_write> out: array<Result>;
@group(0) @binding(8) var<storage, read_write> kept: array<Scalar>;

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
  var value = 0.0;
  for (var k = 0u; k < u.k; k++) {
    value += f32(a[atA]) * f32(b[atB]);
    atA += u.aInner;
    atB += u.bInner;
  }
  if (u.hasBias != 0u) { value += bias[column]; }
  var keeping = value;
  if (u.activation == 1u) { value = relu(value); }
  if (u.activation == 2u) {
    keeping = aboveLeast(vec4f(value)).x;
    value = geluWithSlope(vec4f(value)).value.x;
  }
  if (u.side == 2u) {
    let gelu = geluWithSlope(aboveLeast(vec4f(f32(side[i]))));
    value *= gelu.slope.x;
    keeping = gelu.value.x;
  }
  if (u.keeps != 0u) { kept[i] = Scalar(keeping); }
  value *= u.gain;
  if (u.hasScale != 0u) { value *= scale[column]; }
  if (u.rowsPerFactor != 0u) { value *= factor[row / u.rowsPerFactor]; }
  if (u.side == 1u) { value += f32(side[i]); }
  out[i] = Result(value);
}
