// As gradInput.wgsl, for GPUs: 8 rows per workgroup, 32 lanes per row, coalesced columns; both row sums in one tree.
// gradX = rstd * (h - mean(h) - n * mean(h * n)), h = gradY * weight, n = (x - mean) * rstd.

// #include "common/grid.wgsl"
// #include "common/storage.wgsl"
// #include "common/rowSum.wgsl"

struct Uniforms { rows: u32, columns: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> gradY: array<Scalar>;
@group(0) @binding(2) var<storage, read> x: array<Scalar>;
@group(0) @binding(3) var<storage, read> weight: array<f32>;
@group(0) @binding(4) var<storage, read> mean: array<f32>;
@group(0) @binding(5) var<storage, read> rstd: array<f32>;
@group(0) @binding(6) var<storage, read_write> gradX: array<Scalar>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = linearWorkgroup(workgroup, workgroups) * ROWS_PER_WORKGROUP + lane / ROW_LANES;
  // Rows past the end walk no columns but meet at the barriers.
  let columns = select(0u, u.columns, row < u.rows);
  let known = min(row, u.rows - 1u);
  let rowMean = mean[known];
  let scale = rstd[known];
  let first = row * u.columns;
  let start = lane % ROW_LANES;
  var sums = vec2f(0.0);
  for (var c = start; c < columns; c += ROW_LANES) {
    let h = f32(gradY[first + c]) * weight[c];
    sums += vec2f(h, h * (f32(x[first + c]) - rowMean));
  }
  let totals = rowSum(lane, sums) / f32(u.columns);
  let slope = totals.y * scale * scale;
  for (var c = start; c < columns; c += ROW_LANES) {
    gradX[first + c] = Scalar(scale * (f32(gradY[first + c]) * weight[c] - totals.x - (f32(x[first + c]) - rowMean) * slope));
  }
}
