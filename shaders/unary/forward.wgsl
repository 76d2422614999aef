// out[i] = f(x[i]).
//
// A thread owns ITEMS groups of four neighboring elements, a whole grid apart; the last group may be partial and is
// then stored element by element, so that nothing past the end is written.

// #include "common/grid.wgsl"
// #include "common/storage.wgsl"
// #include "common/unaryFunction.wgsl"

struct Uniforms { size: u32, stride: u32, scale: f32, shift: f32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<Vec4>;
@group(0) @binding(2) var<storage, read_write> out: array<Vec4>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  for (var group = linearWorkgroup(workgroup, workgroups) * 64u + lane; group * 4u < u.size; group += u.stride) {
    let value = unary(vec4f(x[group]), u.scale, u.shift);
    let left = u.size - group * 4u;
    if (left >= 4u) {
      out[group] = Vec4(value);
    } else {
      for (var k = 0u; k < left; k++) { out[group][k] = Scalar(value[k]); }
    }
  }
}
