// Partial sums of binary cross entropy and soft Dice, in one walk over logits z and targets t, [samples, perSample] with the channels
// innermost: partials [4, samples, threads] holds the sums of p * t, of p, of t and of
//   (1 - t) * z + (1 + (pw - 1) * t) * log(1 + exp(-z)),  p = sigmoid(z), pw the channel's positive weight (1 without).
//
// `groups` workgroups share a sample; thread t of its `threads` owns items t, t + threads, …: `perSample` counts items, an element or four
// neighbors each (common/width.wgsl). `threads` is a multiple of `channels`,
// so a thread meets the same channels in every turn and entry e of a sample belongs to channel e % channels.

// #include "common/grid.wgsl"
// #include "common/width.wgsl"
// #include "common/bce.wgsl"

override HAS_POSITIVE_WEIGHTS: bool = false;

struct Uniforms { samples: u32, perSample: u32, channels: u32, threads: u32, groups: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> logits: array<Number>;
@group(0) @binding(2) var<storage, read> targets: array<Number>;
@group(0) @binding(3) var<storage, read> positiveWeights: array<f32>;
@group(0) @binding(4) var<storage, read_write> partials: array<Number>;

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
  var positive = Number(1.0);
  if (HAS_POSITIVE_WEIGHTS) {
    for (var k = 0u; k < WIDTH; k++) { setPart(&positive, k, positiveWeights[(thread * WIDTH + k) % u.channels]); }
  }
  var both = Number(0.0);
  var predicted = Number(0.0);
  var wanted = Number(0.0);
  var entropy = Number(0.0);
  for (var i = thread; i < u.perSample; i += u.threads) {
    let z = logits[sample * u.perSample + i];
    let t = targets[sample * u.perSample + i];
    let p = sigmoidOfMinus(-z);
    both += p * t;
    predicted += p;
    wanted += t;
    entropy += (1.0 - t) * z + (1.0 + (positive - 1.0) * t) * softplusOfMinus(z);
  }
  let at = sample * u.threads + thread;
  let plane = u.samples * u.threads;
  partials[at] = both;
  partials[plane + at] = predicted;
  partials[2u * plane + at] = wanted;
  partials[3u * plane + at] = entropy;
}
