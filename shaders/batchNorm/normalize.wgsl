// y = (x - mean) * rstd * weight + bias with the statistics [columns] of each channel; x, y [rows, columns].
//
// A thread owns one item, that is one column or four neighbouring ones, of one chunk (common/width.wgsl; `columns` counts items), rows `chunks` apart: its channels' constants are loaded once.

// #include "common/grid.wgsl"
// #include "common/width.wgsl"

struct Uniforms { rows: u32, columns: u32, chunks: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<Item>;
@group(0) @binding(2) var<storage, read> weight: array<Number>;
@group(0) @binding(3) var<storage, read> bias: array<Number>;
@group(0) @binding(4) var<storage, read> mean: array<Number>;
@group(0) @binding(5) var<storage, read> rstd: array<Number>;
@group(0) @binding(6) var<storage, read_write> y: array<Item>;

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
    y[at] = Item((Number(x[at]) - center) * scale + shift);
  }
}
