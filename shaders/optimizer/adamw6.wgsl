// adamw.wgsl for up to six parameters, on GPUs that grant 14 storage buffers: fewer dispatches for the same arithmetic.

// #include "common/grid.wgsl"
// #include "common/walk.wgsl"
// #include "common/adamwStep.wgsl"
// #include "common/within.wgsl"

struct Uniforms {
  beta1: f32, rest1: f32, beta2: f32, rest2: f32, eps: f32,
  size0: u32, share0: u32, head0: u32, first0: u32, lrScale0: f32, weightDecay0: f32,
  size1: u32, share1: u32, head1: u32, first1: u32, lrScale1: f32, weightDecay1: f32,
  size2: u32, share2: u32, head2: u32, first2: u32, lrScale2: f32, weightDecay2: f32,
  size3: u32, share3: u32, head3: u32, first3: u32, lrScale3: f32, weightDecay3: f32,
  size4: u32, share4: u32, head4: u32, first4: u32, lrScale4: f32, weightDecay4: f32,
  size5: u32, share5: u32, head5: u32, first5: u32, lrScale5: f32, weightDecay5: f32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read_write> state: array<vec4f>;
@group(0) @binding(2) var<storage, read> guard: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> parameter0: array<vec4f>;
@group(0) @binding(4) var<storage, read> grad0: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> parameter1: array<vec4f>;
@group(0) @binding(6) var<storage, read> grad1: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> parameter2: array<vec4f>;
@group(0) @binding(8) var<storage, read> grad2: array<vec4f>;
@group(0) @binding(9) var<storage, read_write> parameter3: array<vec4f>;
@group(0) @binding(10) var<storage, read> grad3: array<vec4f>;
@group(0) @binding(11) var<storage, read_write> parameter4: array<vec4f>;
@group(0) @binding(12) var<storage, read> grad4: array<vec4f>;
@group(0) @binding(13) var<storage, read_write> parameter5: array<vec4f>;
@group(0) @binding(14) var<storage, read> grad5: array<vec4f>;

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

  let slot3 = slotOf(u.head3, u.lrScale3, u.weightDecay3);
  let groups3 = (u.size3 + 3u) / 4u;
  let span3 = spanOf(own, u.share3, groups3);
  for (var i = span3.begin + lane; i < span3.end; i += THREADS) {
    let m = u.first3 + i;
    let old = Step(parameter3[i], state[m], state[m + groups3]);
    let next = stepOf(slot3, old, grad3[i], within(i, u.size3));
    parameter3[i] = next.parameter;
    state[m] = next.m;
    state[m + groups3] = next.v;
  }

  let slot4 = slotOf(u.head4, u.lrScale4, u.weightDecay4);
  let groups4 = (u.size4 + 3u) / 4u;
  let span4 = spanOf(own, u.share4, groups4);
  for (var i = span4.begin + lane; i < span4.end; i += THREADS) {
    let m = u.first4 + i;
    let old = Step(parameter4[i], state[m], state[m + groups4]);
    let next = stepOf(slot4, old, grad4[i], within(i, u.size4));
    parameter4[i] = next.parameter;
    state[m] = next.m;
    state[m + groups4] = next.v;
  }

  let slot5 = slotOf(u.head5, u.lrScale5, u.weightDecay5);
  let groups5 = (u.size5 + 3u) / 4u;
  let span5 = spanOf(own, u.share5, groups5);
  for (var i = span5.begin + lane; i < span5.end; i += THREADS) {
    let m = u.first5 + i;
    let old = Step(parameter5[i], state[m], state[m + groups5]);
    let next = stepOf(slot5, old, grad5[i], within(i, u.size5));
    parameter5[i] = next.parameter;
    state[m] = next.m;
    state[m + groups5] = next.v;
  }
}
