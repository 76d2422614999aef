// As gradInput.wgsl, for software adapters: columns in groups of four, a thread owns whole rows, `stride` apart.
// gradX = rstd * (h - mean(h) - n * mean(h * n)), h = gradY * weight, n = (x - mean) * rstd. `groups` is columns / 4.

// #include "common/grid.wgsl"
// #include "common/storage.wgsl"

struct Uniforms { rows: u32, groups: u32, stride: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> gradY: array<Vec4>;
@group(0) @binding(2) var<storage, read> x: array<Vec4>;
@group(0) @binding(3) var<storage, read> weight: array<vec4f>;
@group(0) @binding(4) var<storage, read> mean: array<f32>;
@group(0) @binding(5) var<storage, read> rstd: array<f32>;
@group(0) @binding(6) var<storage, read_write> gradX: array<Vec4>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let columns = f32(u.groups * 4u);
  for (var row = linearWorkgroup(workgroup, workgroups) * 64u + lane; row < u.rows; row += u.stride) {
    let first = row * u.groups;
    let rowMean = mean[row];
    let scale = rstd[row];
    var sums = vec4f(0.0);
    var products = vec4f(0.0);
    for (var c = 0u; c < u.groups; c++) {
      let h = vec4f(gradY[first + c]) * weight[c];
      sums += h;
      products += h * (vec4f(x[first + c]) - rowMean);
    }
    let shift = dot(sums, vec4f(1.0)) / columns;
    let slope = dot(products, vec4f(1.0)) * scale * scale / columns;
    for (var c = 0u; c < u.groups; c++) {
      gradX[first + c] = Vec4(scale * (vec4f(gradY[first + c]) * weight[c] - shift - (vec4f(x[first + c]) - rowMean) * slope));
    }
  }
}
