// The second pass of a loss that stays one number per sample: loss[s] = sum of losses / sum of weights over the `groups` partial
// (loss, weight) of sample s, in order; factor = 1 / the sum of weights, which all samples share. A thread owns a sample.

// #include "common/grid.wgsl"

struct Uniforms { samples: u32, groups: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> partials: array<vec2f>;
@group(0) @binding(2) var<storage, read_write> loss: array<f32>;
@group(0) @binding(3) var<storage, read_write> factor: array<f32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let sample = linearWorkgroup(workgroup, workgroups) * 64u + lane;
  if (sample >= u.samples) { return; }
  var sum = vec2f(0.0);
  for (var i = 0u; i < u.groups; i++) { sum += partials[sample * u.groups + i]; }
  loss[sample] = sum.x / sum.y;
  if (sample == 0u) { factor[0] = 1.0 / sum.y; }
}
