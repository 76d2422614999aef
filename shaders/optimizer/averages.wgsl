// average += weight * (x - average) in place for up to seven tensors x: exponential moving averages with decay 1 - weight.
// This form (torch.lerp's) rounds less than decay * average + (1 - decay) * x, and stays put where x = average.
//
// state: [weight, -, -, -] first, then averages: of tensor k from group first_k on, in whole groups of four.
// Threads as in adamw.wgsl: one tensor after the other.

// #include "common/grid.wgsl"

struct Uniforms {
  stride: u32,
  size0: u32, first0: u32,
  size1: u32, first1: u32,
  size2: u32, first2: u32,
  size3: u32, first3: u32,
  size4: u32, first4: u32,
  size5: u32, first5: u32,
  size6: u32, first6: u32,
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

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let thread = linearWorkgroup(workgroup, workgroups) * 64u + lane;
  let weight = state[0].x;

  for (var i = thread; i < u.size0 / 4u; i += u.stride) {
    let old = state[u.first0 + i];
    state[u.first0 + i] = old + weight * (x0[i] - old);
  }
  if (thread < u.size0 % 4u) {
    let i = u.size0 / 4u;
    let old = state[u.first0 + i][thread];
    state[u.first0 + i][thread] = old + weight * (x0[i][thread] - old);
  }

  for (var i = thread; i < u.size1 / 4u; i += u.stride) {
    let old = state[u.first1 + i];
    state[u.first1 + i] = old + weight * (x1[i] - old);
  }
  if (thread < u.size1 % 4u) {
    let i = u.size1 / 4u;
    let old = state[u.first1 + i][thread];
    state[u.first1 + i][thread] = old + weight * (x1[i][thread] - old);
  }

  for (var i = thread; i < u.size2 / 4u; i += u.stride) {
    let old = state[u.first2 + i];
    state[u.first2 + i] = old + weight * (x2[i] - old);
  }
  if (thread < u.size2 % 4u) {
    let i = u.size2 / 4u;
    let old = state[u.first2 + i][thread];
    state[u.first2 + i][thread] = old + weight * (x2[i][thread] - old);
  }

  for (var i = thread; i < u.size3 / 4u; i += u.stride) {
    let old = state[u.first3 + i];
    state[u.first3 + i] = old + weight * (x3[i] - old);
  }
  if (thread < u.size3 % 4u) {
    let i = u.size3 / 4u;
    let old = state[u.first3 + i][thread];
    state[u.first3 + i][thread] = old + weight * (x3[i][thread] - old);
  }

  for (var i = thread; i < u.size4 / 4u; i += u.stride) {
    let old = state[u.first4 + i];
    state[u.first4 + i] = old + weight * (x4[i] - old);
  }
  if (thread < u.size4 % 4u) {
    let i = u.size4 / 4u;
    let old = state[u.first4 + i][thread];
    state[u.first4 + i][thread] = old + weight * (x4[i][thread] - old);
  }

  for (var i = thread; i < u.size5 / 4u; i += u.stride) {
    let old = state[u.first5 + i];
    state[u.first5 + i] = old + weight * (x5[i] - old);
  }
  if (thread < u.size5 % 4u) {
    let i = u.size5 / 4u;
    let old = state[u.first5 + i][thread];
    state[u.first5 + i][thread] = old + weight * (x5[i][thread] - old);
  }

  for (var i = thread; i < u.size6 / 4u; i += u.stride) {
    let old = state[u.first6 + i];
    state[u.first6 + i] = old + weight * (x6[i] - old);
  }
  if (thread < u.size6 % 4u) {
    let i = u.size6 / 4u;
    let old = state[u.first6 + i][thread];
    state[u.first6 + i][thread] = old + weight * (x6[i][thread] - old);
  }
}
