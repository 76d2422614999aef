// gradX = rstd * (h - mean over the row of h - n * mean over the row of (h * n)),
// where h = gradY * weight and n = (x - mean) * rstd; x, gradY, gradX [rows, columns], mean, rstd [rows].
//
// A thread owns whole rows, `stride` apart, and walks their columns one by one or in fours (common/width.wgsl; `columns` counts items).

// #include "common/grid.wgsl"
// #include "common/width.wgsl"

struct Uniforms { rows: u32, columns: u32, stride: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> gradY: array<Item>;
@group(0) @binding(2) var<storage, read> x: array<Item>;
@group(0) @binding(3) var<storage, read> weight: array<Number>;
@group(0) @binding(4) var<storage, read> mean: array<f32>;
@group(0) @binding(5) var<storage, read> rstd: array<f32>;
@group(0) @binding(6) var<storage, read_write> gradX: array<Item>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let count = f32(u.columns * WIDTH);
  for (var row = linearWorkgroup(workgroup, workgroups) * 64u + lane; row < u.rows; row += u.stride) {
    let first = row * u.columns;
    let rowMean = mean[row];
    let scale = rstd[row];
    var sums = Number(0.0);
    var products = Number(0.0);
    for (var c = 0u; c < u.columns; c++) {
      let h = Number(gradY[first + c]) * weight[c];
      sums += h;
      products += h * (Number(x[first + c]) - rowMean);
    }
    let shift = itemSum(sums) / count;
    let slope = itemSum(products) * scale * scale / count;
    for (var c = 0u; c < u.columns; c++) {
      gradX[first + c] = Item(scale * (Number(gradY[first + c]) * weight[c] - shift - (Number(x[first + c]) - rowMean) * slope));
    }
  }
}
