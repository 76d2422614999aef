// y = (x - mean) * rstd * weight + bias with mean and rstd = 1 / sqrt(variance + eps) of each row of x [rows, columns];
// mean and rstd [rows] are written too. The variance is biased, and taken in a second pass over the row: never E[x²] - mean².
//
// A thread owns whole rows, `stride` apart. The simple version: any number of columns.

// #include "common/grid.wgsl"
// #include "common/storage.wgsl"

struct Uniforms { rows: u32, columns: u32, stride: u32, eps: f32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<Scalar>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<Scalar>;
@group(0) @binding(5) var<storage, read_write> mean: array<f32>;
@group(0) @binding(6) var<storage, read_write> rstd: array<f32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  for (var row = linearWorkgroup(workgroup, workgroups) * 64u + lane; row < u.rows; row += u.stride) {
    let first = row * u.columns;
    var sum = 0.0;
    for (var c = 0u; c < u.columns; c++) { sum += f32(x[first + c]); }
    let rowMean = sum / f32(u.columns);
    var squares = 0.0;
    for (var c = 0u; c < u.columns; c++) {
      let d = f32(x[first + c]) - rowMean;
      squares += d * d;
    }
    let scale = inverseSqrt(squares / f32(u.columns) + u.eps);
    for (var c = 0u; c < u.columns; c++) {
      y[first + c] = Scalar((f32(x[first + c]) - rowMean) * scale * weight[c] + bias[c]);
    }
    mean[row] = rowMean;
    rstd[row] = scale;
  }
}
