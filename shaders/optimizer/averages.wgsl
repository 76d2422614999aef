// average += weight * (x - average) in place for up to seven tensors x: exponential moving averages with decay 1 - weight.
// This form (torch.lerp's) rounds less than decay * average + (1 - decay) * x, and stays put where x = average.
//
// state: [weight, -, -, -] first, then averages: of tensor k from group first_k on, in whole groups of four.
// Threads as in adamw.wgsl: one tensor after the other; what lies behind it in its last, partial group keeps its value.

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

fn averaged(i: u32, size: u32, old: vec4f, x: vec4f) -> vec4f {
  let mine = vec4u(4u * i) + vec4u(0u, 1u, 2u, 3u) < vec4u(size);
  return select(old, old + state[0].x * (x - old), mine);
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let thread = linearWorkgroup(workgroup, workgroups) * 64u + lane;

  for (var i = thread; i * 4u < u.size0; i += u.stride) {
    let at = u.first0 + i;
    state[at] = averaged(i, u.size0, state[at], x0[i]);
  }
  for (var i = thread; i * 4u < u.size1; i += u.stride) {
    let at = u.first1 + i;
    state[at] = averaged(i, u.size1, state[at], x1[i]);
  }
  for (var i = thread; i * 4u < u.size2; i += u.stride) {
    let at = u.first2 + i;
    state[at] = averaged(i, u.size2, state[at], x2[i]);
  }
  for (var i = thread; i * 4u < u.size3; i += u.stride) {
    let at = u.first3 + i;
    state[at] = averaged(i, u.size3, state[at], x3[i]);
  }
  for (var i = thread; i * 4u < u.size4; i += u.stride) {
    let at = u.first4 + i;
    state[at] = averaged(i, u.size4, state[at], x4[i]);
  }
  for (var i = thread; i * 4u < u.size5; i += u.stride) {
    let at = u.first5 + i;
    state[at] = averaged(i, u.size5, state[at], x5[i]);
  }
  for (var i = thread; i * 4u < u.size6; i += u.stride) {
    let at = u.first6 + i;
    state[at] = averaged(i, u.size6, state[at], x6[i]);
  }
}
