// What the products of a transposed `a` share: uniforms, bindings, stores. They are the gradients of weights,
//
//   out[z, i, j] = sum over k of a[z, k, i] * b[z, k, j]      sums[z, i] = sum over k of a[z, k, i], the gradient of the bias
//
// sums where hasSums is set, by the workgroups of the first columns, which read those numbers anyway. a is [k, m], b is [k, n], both
// in rows of whole vec4f, counted by the strides; m is a multiple of four. Slice z is a batch entry or, where split is 1, the part
// z * chunk .. z * chunk + chunk - 1 of the k axis, whose sums finish.wgsl adds up.

// #include "common/width.wgsl"

struct Uniforms {
  m: u32, n: u32, k: u32, chunk: u32, split: u32, slices: u32, tilesM: u32, tilesN: u32,
  aStride: u32, aBatch: u32, bStride: u32, bBatch: u32, hasSums: u32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> a: array<Vec4>;
@group(0) @binding(2) var<storage, read> b: array<Vec4>;
@group(0) @binding(3) var<storage, read_write> out: array<ResultItem>;
@group(0) @binding(4) var<storage, read_write> sums: array<vec4f>;

// #include "common/outRow.wgsl"

// Columns column .. column + 3 of one row below u.m; those at or past u.n are left out.
fn store(z: u32, row: u32, column: u32, value: vec4f) {
  if (column < u.n) { storeOut((z * u.m + row) * u.n + column, u.n - column, value); }
}

// Four rows' sums over k; rows past the end are left out.
fn storeSums(z: u32, row: u32, value: vec4f) {
  if (row < u.m) { sums[(z * u.m + row) / 4u] = value; }
}
