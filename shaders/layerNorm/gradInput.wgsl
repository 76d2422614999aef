// gradX = rstd * (h - mean over the row of h - n * mean over the row of (h * n)),
// where h = gradY * weight and n = (x - mean) * rstd; x, gradY, gradX [rows, columns], mean, rstd [rows].
//
// A thread owns whole rows, `stride` apart. The simple version: any number of columns.

// #include "common/grid.wgsl"
// #include "common/storage.wgsl"

struct Uniforms { rows: u32, columns: u32, stride: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> gradY: array<Scalar>;
@group(0) @binding(2) var<storage, read> x: array<Scalar>;
@group(0) @binding(3) var<storage, read> weight: array<f32>;
@group(0) @binding(4) var<storage, read> mean: array<f32>;
@group(0) @binding(5) var<storage, read> rstd: array<f32>;
@group(0) @binding(6) var<storage, read_write> gradX: array<Scalar>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  for (var row = linearWorkgroup(workgroup, workgroups) * 64u + lane; row < u.rows; row += u.stride) {
    let first = row * u.columns;
    let rowMean = mean[row];
    let scale = rstd[row];
    var sum = 0.0;
    var product = 0.0;
    for (var c = 0u; c < u.columns; c++) {
      let h = f32(gradY[first + c]) * weight[c];
      sum += h;
      product += h * (f32(x[first + c]) - rowMean);
    }
    let shift = sum / f32(u.columns);
    let slope = product * scale * scale / f32(u.columns);
    for (var c = 0u; c < u.columns; c++) {
      gradX[first + c] = Scalar(scale * (f32(gradY[first + c]) * weight[c] - shift - (f32(x[first + c]) - rowMean) * slope));
    }
  }
}
