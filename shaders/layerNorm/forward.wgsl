// y = (x - mean) * rstd * weight + bias with mean and rstd = 1 / sqrt(variance + eps) of each row of x [rows, columns];
// mean and rstd [rows] are written too. The variance is biased, and taken in a second pass over the row: never E[x²] - mean².
//
// A thread owns whole rows, `stride` apart, and walks each three times (mean, variance, result), one by one or, for software
// adapters, in fours (common/width.wgsl; `columns` counts items): no workgroup memory, no barriers, and the weights' loads are the same for all threads.
// Keeping the row in a private array instead of reading it three times showed no clear gain at 96 to 768 columns in one noisy run
// on lavapipe, and its first use took 0.4 to 6 s for each number of columns (under 0.1 s this way).

// #include "common/grid.wgsl"
// #include "common/width.wgsl"

struct Uniforms { rows: u32, columns: u32, stride: u32, eps: f32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<Item>;
@group(0) @binding(2) var<storage, read> weight: array<Number>;
@group(0) @binding(3) var<storage, read> bias: array<Number>;
@group(0) @binding(4) var<storage, read_write> y: array<Item>;
@group(0) @binding(5) var<storage, read_write> mean: array<f32>;
@group(0) @binding(6) var<storage, read_write> rstd: array<f32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let count = f32(u.columns * WIDTH);
  for (var row = linearWorkgroup(workgroup, workgroups) * 64u + lane; row < u.rows; row += u.stride) {
    let first = row * u.columns;
    var sums = Number(0.0);
    // In stretches, as reduce/sum.wgsl.
    for (var start = 0u; start < u.columns; start += 32u) {
      var stretch = Number(0.0);
      for (var c = start; c < min(start + 32u, u.columns); c++) { stretch += Number(x[first + c]); }
      sums += stretch;
    }
    let pivot = itemSum(sums) / count;
    // What rounding took from the mean comes out of the deviations from it: no digits are lost however far the row is from zero.
    var shifts = Number(0.0);
    var squares = Number(0.0);
    for (var start = 0u; start < u.columns; start += 32u) {
      var shift = Number(0.0);
      var square = Number(0.0);
      for (var c = start; c < min(start + 32u, u.columns); c++) {
        let d = Number(x[first + c]) - pivot;
        shift += d;
        square += d * d;
      }
      shifts += shift;
      squares += square;
    }
    let offset = itemSum(shifts) / count;
    let scale = inverseSqrt(itemSum(squares) / count - offset * offset + u.eps);
    for (var c = 0u; c < u.columns; c++) {
      y[first + c] = Item(((Number(x[first + c]) - pivot) - offset) * scale * weight[c] + bias[c]);
    }
    mean[row] = pivot + offset;
    rstd[row] = scale;
  }
}
