// out[i] = x[i] in another floating-point format. Threads and the partial last group as in unary/forward.wgsl.

// #include "common/grid.wgsl"
// #include "common/storage.wgsl"
// #include "common/result.wgsl"

struct Uniforms { size: u32, stride: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<Vec4>;
@group(0) @binding(2) var<storage, read_write> out: array<Result4>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  for (var group = linearWorkgroup(workgroup, workgroups) * 64u + lane; group * 4u < u.size; group += u.stride) {
    let value = Result4(x[group]);
    let left = u.size - group * 4u;
    if (left >= 4u) {
      out[group] = value;
    } else {
      for (var k = 0u; k < left; k++) { out[group][k] = value[k]; }
    }
  }
}
