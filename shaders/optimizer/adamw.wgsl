// One AdamW step in place of up to three parameters (Loshchilov and Hutter 2019, algorithm 2; the arithmetic of torch.optim.AdamW):
//   g = gradScale * grad
//   m = beta1 m + (1 - beta1) g          v = beta2 v + (1 - beta2) g^2
//   p = p (1 - lr weightDecay) - lr m / bias1 / (sqrt(v) / sqrt(bias2) + eps)
//
// state: heads first, [lr, 1 / bias1, 1 / sqrt(bias2), -] with bias = 1 - beta^step of parameter k in group head_k (what changes from step to
// step is in a buffer, so that a captured step can be replayed), then moments; m of parameter k from group first_k on, its v right behind,
// each in whole groups of four.
// guard = [gradScale, norm, nonFinite, suppressed]: with nonFinite set, nothing is touched.
//
// Every thread walks over the first parameter in groups of four, then the second, then the third: no branches on which one it is.
// What lies behind a parameter in its last, partial group keeps its value. Slots without a parameter have size 0.
// Three, since WebGPU grants 8 storage buffers; adamw6.wgsl takes more. Memory-bound: 4 reads, 3 writes.

// #include "common/grid.wgsl"
// #include "common/walk.wgsl"
// #include "common/threeParameters.wgsl"
// #include "common/within.wgsl"
// #include "common/adamwStep.wgsl"

struct Uniforms {
  beta1: f32, rest1: f32, beta2: f32, rest2: f32, eps: f32,
  size0: u32, share0: u32, head0: u32, first0: u32, lrScale0: f32, weightDecay0: f32,
  size1: u32, share1: u32, head1: u32, first1: u32, lrScale1: f32, weightDecay1: f32,
  size2: u32, share2: u32, head2: u32, first2: u32, lrScale2: f32, weightDecay2: f32,
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  if (guard[0].z != 0.0) { return; }
  let own = linearWorkgroup(workgroup, workgroups);

  let slot0 = slotOf(u.head0, u.lrScale0, u.weightDecay0);
  let groups0 = (u.size0 + 3u) / 4u;
  let span0 = spanOf(own, u.share0, groups0);
  for (var i = span0.begin + lane; i < span0.end; i += THREADS) {
    let m = u.first0 + i;
    let old = Step(parameter0[i], state[m], state[m + groups0]);
    let next = stepOf(slot0, old, grad0[i], within(i, u.size0));
    parameter0[i] = next.parameter;
    state[m] = next.m;
    state[m + groups0] = next.v;
  }

  let slot1 = slotOf(u.head1, u.lrScale1, u.weightDecay1);
  let groups1 = (u.size1 + 3u) / 4u;
  let span1 = spanOf(own, u.share1, groups1);
  for (var i = span1.begin + lane; i < span1.end; i += THREADS) {
    let m = u.first1 + i;
    let old = Step(parameter1[i], state[m], state[m + groups1]);
    let next = stepOf(slot1, old, grad1[i], within(i, u.size1));
    parameter1[i] = next.parameter;
    state[m] = next.m;
    state[m + groups1] = next.v;
  }

  let slot2 = slotOf(u.head2, u.lrScale2, u.weightDecay2);
  let groups2 = (u.size2 + 3u) / 4u;
  let span2 = spanOf(own, u.share2, groups2);
  for (var i = span2.begin + lane; i < span2.end; i += THREADS) {
    let m = u.first2 + i;
    let old = Step(parameter2[i], state[m], state[m + groups2]);
    let next = stepOf(slot2, old, grad2[i], within(i, u.size2));
    parameter2[i] = next.parameter;
    state[m] = next.m;
    state[m + groups2] = next.v;
  }
}
