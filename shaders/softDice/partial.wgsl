// Partial sums of the soft Dice loss over predictions p (the sigmoid of x where FROM_LOGITS) and targets t, [samples, perSample] with the
// channels innermost: partials [3, samples, threads] holds the sums of p * t, of p and of t (of p² and t² where SQUARED).
//
// `groups` workgroups share a sample; thread t of its `threads` owns items t, t + threads, …: `perSample` counts items, an element or four
// neighbors each (common/width.wgsl). `threads` is a multiple of `channels`,
// so a thread meets the same channels in every turn and entry e of a sample belongs to channel e % channels.

// #include "common/grid.wgsl"
// #include "common/width.wgsl"
// #include "common/nan.wgsl"

override FROM_LOGITS: bool = true;
override SQUARED: bool = false;

struct Uniforms { samples: u32, perSample: u32, threads: u32, groups: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<Number>;
@group(0) @binding(2) var<storage, read> targets: array<Number>;
@group(0) @binding(3) var<storage, read_write> partials: array<Number>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups);
  let sample = index / u.groups;
  let thread = (index % u.groups) * 64u + lane;
  if (sample >= u.samples || thread >= u.threads) { return; }
  var both = Number(0.0);
  var predicted = Number(0.0);
  var wanted = Number(0.0);
  for (var i = thread; i < u.perSample; i += u.threads) {
    var p = x[sample * u.perSample + i];
    let t = targets[sample * u.perSample + i];
    if (FROM_LOGITS) { p = keepNan(p, 1.0 / (1.0 + exp(-clamp(p, Number(-80.0), Number(80.0))))); }
    both += p * t;
    if (SQUARED) {
      predicted += p * p;
      wanted += t * t;
    } else {
      predicted += p;
      wanted += t;
    }
  }
  let at = sample * u.threads + thread;
  let plane = u.samples * u.threads;
  partials[at] = both;
  partials[plane + at] = predicted;
  partials[2u * plane + at] = wanted;
}
