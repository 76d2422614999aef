// Mean and sum of squared deviations of each channel over the rows r = k, k + chunks, … of chunk k of x [rows, columns], by
// Welford's recurrence (1962): one read, and no cancellation however far the mean is from zero. means, squares [chunks, columns].
//
// A thread owns four neighbouring columns of one chunk (`columns` counts groups of four); batchNorm/finish.wgsl merges the chunks.

// #include "common/grid.wgsl"
// #include "common/storage.wgsl"

struct Uniforms { rows: u32, columns: u32, chunks: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<Vec4>;
@group(0) @binding(2) var<storage, read_write> means: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> squares: array<vec4f>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = linearWorkgroup(workgroup, workgroups) * 64u + lane;
  if (i >= u.columns * u.chunks) { return; }
  let column = i % u.columns;
  var mean = vec4f(0.0);
  var square = vec4f(0.0);
  var count = 0.0;
  for (var row = i / u.columns; row < u.rows; row += u.chunks) {
    let value = vec4f(x[row * u.columns + column]);
    count += 1.0;
    let before = value - mean;
    mean += before / count;
    square += before * (value - mean);
  }
  means[i] = mean;
  squares[i] = square;
}
