// y = relu((x - mean) * rstd * weight + bias + residual) with the statistics [columns] of each channel; x, residual, y [rows, columns].
// RELU and RESIDUAL say which of both there are; without a residual its binding is not read.
// In float32 bit for bit what normalizing, adding and relu give one after another; in float16 the sum is rounded once instead of twice.
//
// A thread owns one item, that is one column or four neighboring ones, of one chunk (common/width.wgsl; `columns` counts items), rows `chunks` apart: its channels' constants are loaded once.

// #include "common/grid.wgsl"
// #include "common/width.wgsl"
// #include "common/reluItem.wgsl"

override RELU: u32 = 0u;
override RESIDUAL: u32 = 0u;

struct Uniforms { rows: u32, columns: u32, chunks: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<Item>;
@group(0) @binding(2) var<storage, read> weight: array<Number>;
@group(0) @binding(3) var<storage, read> bias: array<Number>;
@group(0) @binding(4) var<storage, read> mean: array<Number>;
@group(0) @binding(5) var<storage, read> rstd: array<Number>;
@group(0) @binding(6) var<storage, read> residual: array<Item>;
@group(0) @binding(7) var<storage, read_write> y: array<Item>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = linearWorkgroup(workgroup, workgroups) * 64u + lane;
  if (i >= u.columns * u.chunks) { return; }
  let column = i % u.columns;
  let center = mean[column];
  let scale = rstd[column] * weight[column];
  let shift = bias[column];
  for (var row = i / u.columns; row < u.rows; row += u.chunks) {
    let at = row * u.columns + column;
    var value = (Number(x[at]) - center) * scale + shift;
    if (RESIDUAL != 0u) { value += Number(residual[at]); }
    if (RELU != 0u) { value = reluItem(value); }
    y[at] = Item(value);
  }
}
