// Mean and sum of squared deviations of each channel over the rows r = k, k + chunks, … of chunk k of x [rows, columns], by
// Welford's recurrence (1962): one read, and no cancellation however far the mean is from zero. means, squares [chunks, columns].
//
// A thread owns one item, that is one column or four neighboring ones, of one chunk (common/width.wgsl; `columns` counts items); batchNorm/finish.wgsl merges the chunks.

// #include "common/grid.wgsl"
// #include "common/width.wgsl"

struct Uniforms { rows: u32, columns: u32, chunks: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<Item>;
@group(0) @binding(2) var<storage, read_write> means: array<Number>;
@group(0) @binding(3) var<storage, read_write> squares: array<Number>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = linearWorkgroup(workgroup, workgroups) * 64u + lane;
  if (i >= u.columns * u.chunks) { return; }
  let column = i % u.columns;
  // low is what rounding takes from the mean, step by step (Kahan): a mean of 10,000 is as exact as one near zero.
  var low = Number(0.0);
  var mean = Number(0.0);
  var square = Number(0.0);
  var count = 0.0;
  for (var row = i / u.columns; row < u.rows; row += u.chunks) {
    let value = Number(x[row * u.columns + column]);
    count += 1.0;
    let before = (value - mean) - low;
    let rise = before / count + low;
    let next = mean + rise;
    low = rise - (next - mean);
    mean = next;
    square += before * ((value - mean) - low);
  }
  means[i] = mean + low;
  squares[i] = square;
}
