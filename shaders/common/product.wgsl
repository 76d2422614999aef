// What the kernels of a matrix product share: uniforms, bindings and the last steps of each output element,
//
//   value = f(sum over k of a[z, i, k] * b[z, k, j] + bias[j]) * gain * scale[j] * factor[i / rowsPerFactor]
//   out[z, i, j] = value, value + side[z, i, j] or value * side[z, i, j]      slope[z, i, j] = f'(sum + bias[j])
//
// bias, scale and factor are there where their flags say so, side where `side` is 1 (added: a residual) or 2 (multiplied: the slope
// that a forward pass left, so that the gradient before an activation leaves the product that makes it); slope is written where
// writesSlope (gelu; relu's follows from the output). A binding that is not used holds some other buffer. All flags are uniforms: a
// pipeline takes up to a second to compile on software adapters, while a branch that all threads take alike costs nothing measurable. a, b,
// side and slope have one element type; out may have another. Activations: 1 relu, 2 gelu.
//
// aStride, bStride, aBatch and bBatch count vec4f. Slice z is a batch entry or, where split is 1, the part
// z * chunk .. z * chunk + chunk - 1 of the k axis (chunk is a multiple of 4).

// #include "common/storage.wgsl"
// #include "common/result.wgsl"
// #include "common/gelu.wgsl"
// #include "common/relu.wgsl"

struct Uniforms {
  m: u32, n: u32, k: u32, chunk: u32, split: u32, slices: u32, tilesM: u32, tilesN: u32,
  aStride: u32, aBatch: u32, bStride: u32, bBatch: u32,
  hasBias: u32, activation: u32, hasScale: u32, rowsPerFactor: u32, side: u32, writesSlope: u32, gain: f32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> a: array<Vec4>;
@group(0) @binding(2) var<storage, read> b: array<Vec4>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> scale: array<f32>;
@group(0) @binding(5) var<storage, read> factor: array<f32>;
@group(0) @binding(6) var<storage, read> side: array<Scalar>;
@group(0) @binding(7) var<storage, read_write> out: array<Result>;
@group(0) @binding(8) var<storage, read_write> slope: array<Scalar>;

// Four columns of a vector [n]; the last number repeats past the end.
fn biasOf(column: u32) -> vec4f {
  var value = vec4f(0.0);
  if (u.hasBias != 0u) {
    let last = u.n - 1u;
    for (var i = 0u; i < 4u; i++) { value[i] = bias[min(column + i, last)]; }
  }
  return value;
}

fn scaleOf(column: u32, row: u32) -> vec4f {
  var value = vec4f(1.0);
  if (u.hasScale != 0u) {
    let last = u.n - 1u;
    for (var i = 0u; i < 4u; i++) { value[i] = scale[min(column + i, last)]; }
  }
  if (u.rowsPerFactor != 0u) { value *= factor[row / u.rowsPerFactor]; }
  return value;
}

// Columns column .. column + 3 of one row below u.m (bias already added); those at or past u.n are left out. Element by element:
// rows may have any length, and two threads may not store to one vec4f.
fn store(z: u32, row: u32, column: u32, sum: vec4f) {
  if (column >= u.n) { return; }
  let at = (z * u.m + row) * u.n + column;
  let left = u.n - column;
  var value = select(sum, relu4(sum), u.activation == 1u);
  if (u.activation == 2u) {
    let gelu = geluWithSlope(sum);
    value = gelu.value;
    if (u.writesSlope != 0u) {
      slope[at] = Scalar(gelu.slope.x);
      if (left > 1u) { slope[at + 1u] = Scalar(gelu.slope.y); }
      if (left > 2u) { slope[at + 2u] = Scalar(gelu.slope.z); }
      if (left > 3u) { slope[at + 3u] = Scalar(gelu.slope.w); }
    }
  }
  value *= u.gain;
  if (u.hasScale + u.rowsPerFactor != 0u) { value *= scaleOf(column, row); }
  if (u.side != 0u) {
    // Past the row's end the last element repeats; it is not stored.
    let last = at + min(left, 4u) - 1u;
    let other = vec4f(f32(side[at]), f32(side[min(at + 1u, last)]), f32(side[min(at + 2u, last)]), f32(side[last]));
    value = select(value + other, value * other, u.side == 2u);
  }
  out[at] = Result(value.x);
  if (left > 1u) { out[at + 1u] = Result(value.y); }
  if (left > 2u) { out[at + 2u] = Result(value.z); }
  if (left > 3u) { out[at + 3u] = Result(value.w); }
}
