// x[i], state[4 first + i] = state[4 first + i], x[i], in place: exchanges weights and their average without a third copy.
// As words, not floats: no bit pattern changes on the way. Threads and the partial last group as in unary/forward.wgsl.

// #include "common/grid.wgsl"
// #include "common/walk.wgsl"
// #include "common/wholeGroup.wgsl"

struct Uniforms { size: u32, share: u32, first: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read_write> x: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> state: array<vec4u>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let span = spanOf(linearWorkgroup(workgroup, workgroups), u.share, (u.size + 3u) / 4u);
  for (var group = span.begin + lane; group < span.end; group += THREADS) {
    let fromX = x[group];
    let fromState = state[u.first + group];
    let left = u.size - group * 4u;
    if (isWhole(left)) {
      x[group] = fromState;
      state[u.first + group] = fromX;
    } else {
      for (var k = 0u; k < left; k++) {
        x[group][k] = fromState[k];
        state[u.first + group][k] = fromX[k];
      }
    }
  }
}
