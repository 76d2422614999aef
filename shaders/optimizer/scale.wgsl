// x[i] *= guard[0], in place: gradients scaled to the clipped norm. With guard[2] (nonFinite) 1, nothing is touched;
// 2 stands for an infinite norm of finite gradients, which become 0 as in PyTorch.
// Threads and the partial last group as in unary/forward.wgsl.

// #include "common/grid.wgsl"
// #include "common/walk.wgsl"
// #include "common/wholeGroup.wgsl"

struct Uniforms { size: u32, share: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read_write> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> guard: array<vec4f>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  if (guard[0].z == 1.0) { return; }
  let scale = guard[0].x;
  let span = spanOf(linearWorkgroup(workgroup, workgroups), u.share, (u.size + 3u) / 4u);
  for (var group = span.begin + lane; group < span.end; group += THREADS) {
    let value = scale * x[group];
    let left = u.size - group * 4u;
    if (isWhole(left)) {
      x[group] = value;
    } else {
      for (var k = 0u; k < left; k++) { x[group][k] = value[k]; }
    }
  }
}
