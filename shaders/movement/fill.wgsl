// out[i] = the value whose bit pattern is `bits`, for i < size.
//
// A thread owns groups of four neighbouring elements, a whole grid (`stride` threads) apart; the partial last group is stored element by
// element, so that nothing past the end is written.

// #include "common/grid.wgsl"

struct Uniforms { size: u32, stride: u32, bits: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read_write> out: array<vec4u>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  for (var item = linearWorkgroup(workgroup, workgroups) * 64u + lane; item * 4u < u.size; item += u.stride) {
    let left = u.size - item * 4u;
    if (left >= 4u) {
      out[item] = vec4u(u.bits);
    } else {
      for (var k = 0u; k < left; k++) { out[item][k] = u.bits; }
    }
  }
}
