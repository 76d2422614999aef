// gradX = weight * rstd * (gradY - gradBias / rows - (x - mean) * rstd * gradWeight / rows), the batch's statistics being functions of x.
// With running statistics they are constants, and inverseRows = 0 leaves gradX = weight * rstd * gradY.
//
// A thread owns one item, that is one column or four neighboring ones, of one chunk (common/width.wgsl; `columns` counts items), rows `chunks` apart: its channels' constants are loaded once.

// #include "common/grid.wgsl"
// #include "common/width.wgsl"

struct Uniforms { rows: u32, columns: u32, chunks: u32, inverseRows: f32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> gradY: array<Item>;
@group(0) @binding(2) var<storage, read> x: array<Item>;
@group(0) @binding(3) var<storage, read> weight: array<Number>;
@group(0) @binding(4) var<storage, read> mean: array<Number>;
@group(0) @binding(5) var<storage, read> rstd: array<Number>;
@group(0) @binding(6) var<storage, read> gradWeight: array<Number>;
@group(0) @binding(7) var<storage, read> gradBias: array<Number>;
@group(0) @binding(8) var<storage, read_write> gradX: array<Item>;

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
  let scale = weight[column] * rstd[column];
  let shift = gradBias[column] * u.inverseRows;
  let slope = gradWeight[column] * rstd[column] * u.inverseRows;
  for (var row = i / u.columns; row < u.rows; row += u.chunks) {
    let at = row * u.columns + column;
    var value = Number(gradY[at]);
    if (u.inverseRows > 0.0) { value = value - shift - (Number(x[at]) - center) * slope; }
    gradX[at] = Item(scale * value);
  }
}
