// average[i] += hyper[0] * (x[i] - average[i]), in place: an exponential moving average with decay 1 - hyper[0].
// This form (torch.lerp's) rounds less than decay * average + (1 - decay) * x, and stays put where x = average.
// Threads and the partial last group as in unary/forward.wgsl.

// #include "common/grid.wgsl"
// #include "common/walk.wgsl"
// #include "common/wholeGroup.wgsl"

struct Uniforms { size: u32, share: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read_write> average: array<vec4f>;
@group(0) @binding(2) var<storage, read> x: array<vec4f>;
@group(0) @binding(3) var<storage, read> hyper: array<vec4f>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let weight = hyper[0].x;
  let span = spanOf(linearWorkgroup(workgroup, workgroups), u.share, (u.size + 3u) / 4u);
  for (var group = span.begin + lane; group < span.end; group += THREADS) {
    let old = average[group];
    let value = old + weight * (x[group] - old);
    let left = u.size - group * 4u;
    if (isWhole(left)) {
      average[group] = value;
    } else {
      for (var k = 0u; k < left; k++) { average[group][k] = value[k]; }
    }
  }
}
