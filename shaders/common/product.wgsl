// What the kernels of a matrix product share: uniforms, bindings and the last steps of each output element,
//
//   sum = sum over k of a[z, i, k] * b[z, k, j] + bias[j]      value = f(sum) or sum * gelu'(side[z, i, j])
//   out[z, i, j] = value * gain * scale[j] * factor[i / rowsPerFactor] + side[z, i, j]      kept[z, i, j] = sum or gelu(side[z, i, j])
//
// bias, scale and factor are there where their flags say so, side where `side` is 1 (added: a residual) or 2 (gelu's derivative there
// multiplied: what went into gelu, so that the gradient before it leaves the product that makes it); kept is written where
// `keeps` is 1. A binding that is not used holds some other buffer. All flags are uniforms: a
// pipeline takes up to a second to compile on software adapters, while a branch that all threads take alike costs nothing measurable. a, b,
// side and kept have one element type; out may have another. Activations: 1 relu, 2 gelu. Rows whose length is a multiple of four are
// written in fours (`width: 4` of the dispatch), others element by element.
//
// aStride, bStride, aBatch and bBatch count vec4f. Slice z is a batch entry or, where split is 1, the part
// z * chunk .. z * chunk + chunk - 1 of the k axis (chunk is a multiple of 4).

// #include "common/width.wgsl"
// #include "common/gelu.wgsl"
// #include "common/relu.wgsl"

struct Uniforms {
  m: u32, n: u32, k: u32, chunk: u32, split: u32, slices: u32, tilesM: u32, tilesN: u32,
  aStride: u32, aBatch: u32, bStride: u32, bBatch: u32,
  hasBias: u32, activation: u32, hasScale: u32, rowsPerFactor: u32, side: u32, keeps: u32, gain: f32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> a: array<Vec4>;
@group(0) @binding(2) var<storage, read> b: array<Vec4>;
@group(0) @binding(3) var<storage, read> bias: array<Number>;
@group(0) @binding(4) var<storage, read> scale: array<Number>;
@group(0) @binding(5) var<storage, read> factor: array<f32>;
@group(0) @binding(6) var<storage, read> side: array<Item>;
@group(0) @binding(7) var<storage, read_write> out: array<ResultItem>;
@group(0) @binding(8) var<storage, read_write> kept: array<Item>;

// #include "common/productRow.wgsl"
// #include "common/outRow.wgsl"

// Four columns of the bias, of the last ones past the end.
fn biasOf(column: u32) -> vec4f {
  if (u.hasBias == 0u) { return vec4f(0.0); }
  return biasAt(min(column, u.n - 1u));
}

fn placeOf(z: u32, row: u32, column: u32) -> u32 {
  return (z * u.m + row) * u.n + column;
}

// Four numbers of side, zeros where there is none.
fn besideAt(at: u32, left: u32) -> vec4f {
  if (u.side == 0u) { return vec4f(0.0); }
  return sideAt(at, left);
}

// The activation of four sums that have their bias, of which `left` are in the row, or they times gelu's derivative; keeps what is wanted at `at`.
fn activated(at: u32, left: u32, sum: vec4f, beside: vec4f) -> vec4f {
  let backward = u.side == 2u;
  var value = select(sum, relu4(sum), u.activation == 1u);
  var keeping = sum;
  // Of both uses of gelu there is one at most: its code stands here once.
  if (backward || u.activation == 2u) {
    let gelu = geluWithSlope(select(sum, aboveLeast(beside), backward));
    value = select(gelu.value, sum * gelu.slope, backward);
    keeping = select(aboveLeast(sum), gelu.value, backward);
  }
  if (u.keeps != 0u) { storeKept(at, left, keeping); }
  return value;
}

// Whether anything comes after the activation.
fn isScaled() -> bool {
  return u.gain != 1.0 || u.hasScale + u.rowsPerFactor != 0u || u.side == 1u;
}

fn scaled(row: u32, column: u32, activated: vec4f, beside: vec4f) -> vec4f {
  var value = activated * u.gain;
  if (u.hasScale + u.rowsPerFactor != 0u) {
    var all = vec4f(1.0);
    if (u.hasScale != 0u) { all = scaleAt(column); }
    if (u.rowsPerFactor != 0u) { all *= factor[row / u.rowsPerFactor]; }
    value *= all;
  }
  if (u.side == 1u) { value += beside; }
  return value;
}

// Columns column .. column + 3 of one row below u.m (bias already added); those at or past u.n are left out.
fn store(z: u32, row: u32, column: u32, sum: vec4f) {
  if (column >= u.n) { return; }
  let at = placeOf(z, row, column);
  let left = u.n - column;
  let beside = besideAt(at, left);
  storeOut(at, left, scaled(row, column, activated(at, left, sum, beside), beside));
}
