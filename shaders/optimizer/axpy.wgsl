// y[i] += scale * alpha[index] * x[i], in place. Threads and the partial last group as in unary/forward.wgsl.

// #include "common/grid.wgsl"

struct Uniforms { size: u32, stride: u32, index: u32, scale: f32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(2) var<storage, read> x: array<vec4f>;
@group(0) @binding(3) var<storage, read> alpha: array<f32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let factor = u.scale * alpha[u.index];
  for (var group = linearWorkgroup(workgroup, workgroups) * 64u + lane; group * 4u < u.size; group += u.stride) {
    let value = y[group] + factor * x[group];
    let left = u.size - group * 4u;
    if (left >= 4u) {
      y[group] = value;
    } else {
      for (var k = 0u; k < left; k++) { y[group][k] = value[k]; }
    }
  }
}
