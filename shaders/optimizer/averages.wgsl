// average += weight * (x - average) in place for up to seven tensors x: exponential moving averages with decay 1 - weight.
// This form (torch.lerp's) rounds less than decay * average + (1 - decay) * x, and stays put where x = average.
//
// state: [weight, -, -, -] first, then averages: of tensor k from group first_k on, in whole groups of four.
// Threads as in adamw.wgsl: one tensor after the other; what lies behind it in its last, partial group keeps its value.

// #include "common/grid.wgsl"
// #include "common/walk.wgsl"

struct Uniforms {
  size0: u32, share0: u32, first0: u32,
  size1: u32, share1: u32, first1: u32,
  size2: u32, share2: u32, first2: u32,
  size3: u32, share3: u32, first3: u32,
  size4: u32, share4: u32, first4: u32,
  size5: u32, share5: u32, first5: u32,
  size6: u32, share6: u32, first6: u32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read_write> state: array<vec4f>;
@group(0) @binding(2) var<storage, read> x0: array<vec4f>;
@group(0) @binding(3) var<storage, read> x1: array<vec4f>;
@group(0) @binding(4) var<storage, read> x2: array<vec4f>;
@group(0) @binding(5) var<storage, read> x3: array<vec4f>;
@group(0) @binding(6) var<storage, read> x4: array<vec4f>;
@group(0) @binding(7) var<storage, read> x5: array<vec4f>;
@group(0) @binding(8) var<storage, read> x6: array<vec4f>;

fn averaged(i: u32, size: u32, old: vec4f, x: vec4f) -> vec4f {
  let mine = vec4u(4u * i) + vec4u(0u, 1u, 2u, 3u) < vec4u(size);
  return select(old, old + state[0].x * (x - old), mine);
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let own = linearWorkgroup(workgroup, workgroups);

  let span0 = spanOf(own, u.share0, (u.size0 + 3u) / 4u);
  for (var i = span0.begin + lane; i < span0.end; i += THREADS) {
    let at = u.first0 + i;
    state[at] = averaged(i, u.size0, state[at], x0[i]);
  }
  let span1 = spanOf(own, u.share1, (u.size1 + 3u) / 4u);
  for (var i = span1.begin + lane; i < span1.end; i += THREADS) {
    let at = u.first1 + i;
    state[at] = averaged(i, u.size1, state[at], x1[i]);
  }
  let span2 = spanOf(own, u.share2, (u.size2 + 3u) / 4u);
  for (var i = span2.begin + lane; i < span2.end; i += THREADS) {
    let at = u.first2 + i;
    state[at] = averaged(i, u.size2, state[at], x2[i]);
  }
  let span3 = spanOf(own, u.share3, (u.size3 + 3u) / 4u);
  for (var i = span3.begin + lane; i < span3.end; i += THREADS) {
    let at = u.first3 + i;
    state[at] = averaged(i, u.size3, state[at], x3[i]);
  }
  let span4 = spanOf(own, u.share4, (u.size4 + 3u) / 4u);
  for (var i = span4.begin + lane; i < span4.end; i += THREADS) {
    let at = u.first4 + i;
    state[at] = averaged(i, u.size4, state[at], x4[i]);
  }
  let span5 = spanOf(own, u.share5, (u.size5 + 3u) / 4u);
  for (var i = span5.begin + lane; i < span5.end; i += THREADS) {
    let at = u.first5 + i;
    state[at] = averaged(i, u.size5, state[at], x5[i]);
  }
  let span6 = spanOf(own, u.share6, (u.size6 + 3u) / 4u);
  for (var i = span6.begin + lane; i < span6.end; i += THREADS) {
    let at = u.first6 + i;
    state[at] = averaged(i, u.size6, state[at], x6[i]);
  }
}
