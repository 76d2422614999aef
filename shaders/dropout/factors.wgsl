// factors[i] = scale where the uniform number i is at least p, else 0: what whole samples or channels are multiplied by.
//
// A thread owns one group of four (one Philox block). There are few: one per sample, or one per sample and channel.

// #include "common/grid.wgsl"
// #include "common/storage.wgsl"
// #include "common/random.wgsl"

struct Uniforms { size: u32, p: f32, scale: f32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> seed: array<u32>;
@group(0) @binding(2) var<storage, read_write> factors: array<Scalar>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let item = linearWorkgroup(workgroup, workgroups) * 64u + lane;
  if (item * 4u >= u.size) { return; }
  let value = select(vec4f(0.0), vec4f(u.scale), randomUniform4(seed[0], seed[1], item) >= vec4f(u.p));
  for (var k = 0u; k < min(4u, u.size - item * 4u); k++) { factors[item * 4u + k] = Scalar(value[k]); }
}
