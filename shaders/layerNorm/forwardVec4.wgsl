// As forward.wgsl, for software adapters: y = (x - mean) * rstd * weight + bias, columns in groups of four.
//
// A thread owns whole rows, `stride` apart, and walks each three times (mean, variance, result) in vec4 loads: no workgroup
// memory, no barriers, and the weights' loads are the same in all lanes. `groups` is columns / 4.
// Keeping the row in a private array instead of reading it three times showed no clear gain at 96 to 768 columns in one noisy run
// on lavapipe, and its first use took 0.4 to 6 s for each number of columns (under 0.1 s this way).

// #include "common/grid.wgsl"
// #include "common/storage.wgsl"

struct Uniforms { rows: u32, groups: u32, stride: u32, eps: f32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<Vec4>;
@group(0) @binding(2) var<storage, read> weight: array<vec4f>;
@group(0) @binding(3) var<storage, read> bias: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> y: array<Vec4>;
@group(0) @binding(5) var<storage, read_write> mean: array<f32>;
@group(0) @binding(6) var<storage, read_write> rstd: array<f32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let columns = f32(u.groups * 4u);
  for (var row = linearWorkgroup(workgroup, workgroups) * 64u + lane; row < u.rows; row += u.stride) {
    let first = row * u.groups;
    var sums = vec4f(0.0);
    for (var c = 0u; c < u.groups; c++) { sums += vec4f(x[first + c]); }
    let rowMean = dot(sums, vec4f(1.0)) / columns;
    var squares = vec4f(0.0);
    for (var c = 0u; c < u.groups; c++) {
      let d = vec4f(x[first + c]) - rowMean;
      squares += d * d;
    }
    let scale = inverseSqrt(dot(squares, vec4f(1.0)) / columns + u.eps);
    for (var c = 0u; c < u.groups; c++) {
      y[first + c] = Vec4((vec4f(x[first + c]) - rowMean) * scale * weight[c] + bias[c]);
    }
    mean[row] = rowMean;
    rstd[row] = scale;
  }
}
