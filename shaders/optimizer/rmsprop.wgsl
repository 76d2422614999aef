// One step of RMSprop in place of up to three parameters, as torch.optim.RMSprop without centering (L2 decay joins the gradient):
//   g = gradScale * grad + weightDecay p     square = alpha square + (1 - alpha) g^2
//   velocity = momentum velocity + g / (sqrt(square) + eps)     p = p - lr velocity
//
// state: [lr, -, -, -] first, then what else it holds; the squares of parameter k from group first_k on, its velocities right behind, each
// in whole groups of four.
// guard = [gradScale, norm, nonFinite, suppressed]: with nonFinite set, nothing is touched.
//
// Every thread walks over the first parameter in groups of four, then the second, then the third: no branches on which one it is.
// What lies behind a parameter in its last, partial group keeps its value. Slots without a parameter have size 0.

// #include "common/grid.wgsl"
// #include "common/walk.wgsl"
// #include "common/threeParameters.wgsl"
// #include "common/within.wgsl"

struct Uniforms {
  alpha: f32, rest: f32, momentum: f32, eps: f32,
  size0: u32, share0: u32, first0: u32, lrScale0: f32, weightDecay0: f32,
  size1: u32, share1: u32, first1: u32, lrScale1: f32, weightDecay1: f32,
  size2: u32, share2: u32, first2: u32, lrScale2: f32, weightDecay2: f32,
}

struct Step { parameter: vec4f, square: vec4f, velocity: vec4f }

fn stepOf(lrScale: f32, weightDecay: f32, old: Step, grad: vec4f, mine: vec4<bool>) -> Step {
  let g = guard[0].x * grad + weightDecay * old.parameter;
  let square = u.alpha * old.square + u.rest * g * g;
  let velocity = u.momentum * old.velocity + g / (sqrt(square) + u.eps);
  let parameter = old.parameter - state[0].x * lrScale * velocity;
  return Step(
    select(old.parameter, parameter, mine), select(old.square, square, mine), select(old.velocity, velocity, mine),
  );
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  if (guard[0].z != 0.0) { return; }
  let own = linearWorkgroup(workgroup, workgroups);

  let groups0 = (u.size0 + 3u) / 4u;
  let span0 = spanOf(own, u.share0, groups0);
  for (var i = span0.begin + lane; i < span0.end; i += THREADS) {
    let at = u.first0 + i;
    let old = Step(parameter0[i], state[at], state[at + groups0]);
    let next = stepOf(u.lrScale0, u.weightDecay0, old, grad0[i], within(i, u.size0));
    parameter0[i] = next.parameter;
    state[at] = next.square;
    state[at + groups0] = next.velocity;
  }

  let groups1 = (u.size1 + 3u) / 4u;
  let span1 = spanOf(own, u.share1, groups1);
  for (var i = span1.begin + lane; i < span1.end; i += THREADS) {
    let at = u.first1 + i;
    let old = Step(parameter1[i], state[at], state[at + groups1]);
    let next = stepOf(u.lrScale1, u.weightDecay1, old, grad1[i], within(i, u.size1));
    parameter1[i] = next.parameter;
    state[at] = next.square;
    state[at + groups1] = next.velocity;
  }

  let groups2 = (u.size2 + 3u) / 4u;
  let span2 = spanOf(own, u.share2, groups2);
  for (var i = span2.begin + lane; i < span2.end; i += THREADS) {
    let at = u.first2 + i;
    let old = Step(parameter2[i], state[at], state[at + groups2]);
    let next = stepOf(u.lrScale2, u.weightDecay2, old, grad2[i], within(i, u.size2));
    parameter2[i] = next.parameter;
    state[at] = next.square;
    state[at + groups2] = next.velocity;
  }
}
