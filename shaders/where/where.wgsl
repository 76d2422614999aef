// out[i] = condition[i] != 0 ? a[i] : b[i]. Elements are picked, not computed with: what is not picked may be NaN or infinite.
//
// A thread owns groups of four neighboring elements, a whole grid apart; the last group may be partial and is then stored element by
// element.

// #include "common/grid.wgsl"
// #include "common/storage.wgsl"

struct Uniforms { size: u32, stride: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> condition: array<Vec4>;
@group(0) @binding(2) var<storage, read> a: array<Vec4>;
@group(0) @binding(3) var<storage, read> b: array<Vec4>;
@group(0) @binding(4) var<storage, read_write> out: array<Vec4>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  for (var group = linearWorkgroup(workgroup, workgroups) * 64u + lane; group * 4u < u.size; group += u.stride) {
    // By their bits: a comparison may take subnormal numbers for 0, and NaN for equal.
    let picks = (bitcast<vec4u>(vec4f(condition[group])) & vec4u(0x7fffffffu)) != vec4u(0u);
    let value = select(b[group], a[group], picks);
    let left = u.size - group * 4u;
    if (left >= 4u) {
      out[group] = value;
    } else {
      for (var k = 0u; k < left; k++) { out[group][k] = value[k]; }
    }
  }
}
