// y[i] += scale * alpha[index] * x[i], in place. Threads and the partial last group as in unary/forward.wgsl.

// #include "common/grid.wgsl"
// #include "common/walk.wgsl"
// #include "common/wholeGroup.wgsl"

struct Uniforms { size: u32, share: u32, index: u32, scale: f32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(2) var<storage, read> x: array<vec4f>;
@group(0) @binding(3) var<storage, read> alpha: array<f32>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let factor = u.scale * alpha[u.index];
  let span = spanOf(linearWorkgroup(workgroup, workgroups), u.share, (u.size + 3u) / 4u);
  for (var group = span.begin + lane; group < span.end; group += THREADS) {
    let value = y[group] + factor * x[group];
    let left = u.size - group * 4u;
    if (isWhole(left)) {
      y[group] = value;
    } else {
      for (var k = 0u; k < left; k++) { y[group][k] = value[k]; }
    }
  }
}
