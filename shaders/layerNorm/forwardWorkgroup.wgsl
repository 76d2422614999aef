// As forward.wgsl, for GPUs: y = (x - mean) * rstd * weight + bias, any number of columns.
//
// A workgroup of 256 threads owns 8 rows, 32 lanes per row: neighboring lanes read neighboring columns (coalesced) and meet in
// workgroup memory. The second and third walk over a row hit the cache.

// #include "common/grid.wgsl"
// #include "common/storage.wgsl"
// #include "common/rowSum.wgsl"

struct Uniforms { rows: u32, columns: u32, eps: f32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<Scalar>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<Scalar>;
@group(0) @binding(5) var<storage, read_write> mean: array<f32>;
@group(0) @binding(6) var<storage, read_write> rstd: array<f32>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = linearWorkgroup(workgroup, workgroups) * ROWS_PER_WORKGROUP + lane / ROW_LANES;
  // Rows past the end walk no columns but meet at the barriers.
  let columns = select(0u, u.columns, row < u.rows);
  let first = row * u.columns;
  let start = lane % ROW_LANES;
  var sum = 0.0;
  for (var c = start; c < columns; c += ROW_LANES) { sum += f32(x[first + c]); }
  let pivot = rowSum(lane, vec2f(sum, 0.0)).x / f32(u.columns);
  // Sums of the deviations and of their squares: see forward.wgsl.
  var sums = vec2f(0.0);
  for (var c = start; c < columns; c += ROW_LANES) {
    let d = f32(x[first + c]) - pivot;
    sums += vec2f(d, d * d);
  }
  let moments = rowSum(lane, sums) / f32(u.columns);
  let offset = moments.x;
  let scale = inverseSqrt(moments.y - offset * offset + u.eps);
  for (var c = start; c < columns; c += ROW_LANES) {
    y[first + c] = Scalar(((f32(x[first + c]) - pivot) - offset) * scale * weight[c] + bias[c]);
  }
  if (start == 0u && row < u.rows) {
    mean[row] = pivot + offset;
    rstd[row] = scale;
  }
}
