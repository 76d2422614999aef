// One step of SGD with momentum in place of up to three parameters, as torch.optim.SGD with dampening 0 (L2 decay joins the gradient):
//   g = gradScale * grad + weightDecay p     velocity = momentum velocity + g
//   p = p - lr (nesterov ? g + momentum velocity : velocity)
//
// state: [lr, -, -, -] first, then what else it holds; the velocities of parameter k from group first_k on, in whole groups of four.
// guard = [gradScale, norm, nonFinite, suppressed]: with nonFinite set, nothing is touched.
// A velocity of zeros before the first step gives PyTorch's first step.
//
// Every thread walks over the first parameter in groups of four, then the second, then the third: no branches on which one it is.
// What lies behind a parameter in its last, partial group keeps its value. Slots without a parameter have size 0.

// #include "common/grid.wgsl"
// #include "common/walk.wgsl"
// #include "common/threeParameters.wgsl"
// #include "common/within.wgsl"

struct Uniforms {
  momentum: f32, nesterov: u32,
  size0: u32, share0: u32, first0: u32, lrScale0: f32, weightDecay0: f32,
  size1: u32, share1: u32, first1: u32, lrScale1: f32, weightDecay1: f32,
  size2: u32, share2: u32, first2: u32, lrScale2: f32, weightDecay2: f32,
}

struct Step { parameter: vec4f, velocity: vec4f }

fn stepOf(lrScale: f32, weightDecay: f32, old: Step, grad: vec4f, mine: vec4<bool>) -> Step {
  let g = guard[0].x * grad + weightDecay * old.parameter;
  let velocity = u.momentum * old.velocity + g;
  var direction = velocity;
  if (u.nesterov != 0u) { direction = g + u.momentum * velocity; }
  let parameter = old.parameter - state[0].x * lrScale * direction;
  return Step(select(old.parameter, parameter, mine), select(old.velocity, velocity, mine));
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  if (guard[0].z != 0.0) { return; }
  let own = linearWorkgroup(workgroup, workgroups);

  let span0 = spanOf(own, u.share0, (u.size0 + 3u) / 4u);
  for (var i = span0.begin + lane; i < span0.end; i += THREADS) {
    let old = Step(parameter0[i], state[u.first0 + i]);
    let next = stepOf(u.lrScale0, u.weightDecay0, old, grad0[i], within(i, u.size0));
    parameter0[i] = next.parameter;
    state[u.first0 + i] = next.velocity;
  }

  let span1 = spanOf(own, u.share1, (u.size1 + 3u) / 4u);
  for (var i = span1.begin + lane; i < span1.end; i += THREADS) {
    let old = Step(parameter1[i], state[u.first1 + i]);
    let next = stepOf(u.lrScale1, u.weightDecay1, old, grad1[i], within(i, u.size1));
    parameter1[i] = next.parameter;
    state[u.first1 + i] = next.velocity;
  }

  let span2 = spanOf(own, u.share2, (u.size2 + 3u) / 4u);
  for (var i = span2.begin + lane; i < span2.end; i += THREADS) {
    let old = Step(parameter2[i], state[u.first2 + i]);
    let next = stepOf(u.lrScale2, u.weightDecay2, old, grad2[i], within(i, u.size2));
    parameter2[i] = next.parameter;
    state[u.first2 + i] = next.velocity;
  }
}
