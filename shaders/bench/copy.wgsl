// out[i] = source[i]: the adapter's own memory bandwidth, which the benchmark holds every other kernel against.
//
// A thread owns groups of four floats of its workgroup's span. How many threads is best differs (a software adapter pays for each, a GPU
// hides latency with them), so the bench tries several.

// #include "common/grid.wgsl"
// #include "common/walk.wgsl"

struct Uniforms {
  groups: u32,
  share: u32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> source: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let span = spanOf(linearWorkgroup(workgroup, workgroups), u.share, u.groups);
  for (var i = span.begin + lane; i < span.end; i += THREADS) {
    out[i] = source[i];
  }
}
