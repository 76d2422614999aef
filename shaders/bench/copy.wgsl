// out[i] = source[i]: the adapter's own memory bandwidth, which the benchmark holds every other kernel against.
//
// A thread owns groups of four floats, a whole grid apart, so that neighboring threads touch neighboring memory. How many
// threads is best differs (a software adapter pays for each, a GPU hides latency with them), so the bench tries several.

// #include "common/grid.wgsl"

struct Uniforms {
  groups: u32,
  stride: u32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> source: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  for (var i = linearWorkgroup(workgroup, workgroups) * 64u + lane; i < u.groups; i += u.stride) {
    out[i] = source[i];
  }
}
