// Binary cross entropy of logits z against targets t, [samples, perSample] with the channels innermost:
//   element loss = w * ((1 - t) * z + (1 + (pw - 1) * t) * log(1 + exp(-z))), element weight = w,
// pw the channel's positive weight, w the sample's weight (1 where there are none). Mean = sum of losses / sum of weights.
// FOCAL multiplies the element loss by the focal factor of common/focal.wgsl.
//
// `groups` workgroups share a sample; thread t of its `threads` owns items t, t + threads, …: `perSample` counts items, an element or four
// neighbors each (common/width.wgsl). `threads` is a multiple of `channels`,
// so a thread meets the same channels in every turn. Samples of weight 0 are not read. Then common/lossMean.wgsl, or for one mean a
// sample loss/finishSamples.wgsl.

// #include "common/bce.wgsl"
// #include "common/focal.wgsl"
// #include "common/grid.wgsl"
// #include "common/width.wgsl"
// #include "common/lossMean.wgsl"

override HAS_POSITIVE_WEIGHTS: bool = false;
override HAS_SAMPLE_WEIGHTS: bool = false;

struct Uniforms {
  samples: u32,
  perSample: u32,
  channels: u32,
  threads: u32,
  groups: u32,
  partialCount: u32,
  reduction: u32,
  gamma: f32,
  alphaPositive: f32,
  alphaNegative: f32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> logits: array<Number>;
@group(0) @binding(2) var<storage, read> targets: array<Number>;
@group(0) @binding(3) var<storage, read> positiveWeights: array<f32>;
@group(0) @binding(4) var<storage, read> sampleWeights: array<f32>;
@group(0) @binding(5) var<storage, read_write> partials: array<vec2f>;
@group(0) @binding(6) var<storage, read_write> loss: array<f32>;
@group(0) @binding(7) var<storage, read_write> factor: array<f32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups);
  let sample = index / u.groups;
  let thread = (index % u.groups) * 64u + lane;
  // Threads without work still meet at the barriers.
  var weight = select(0.0, 1.0, sample < u.samples && thread < u.threads);
  if (HAS_SAMPLE_WEIGHTS) { weight *= sampleWeights[min(sample, u.samples - 1u)]; }
  var positive = Number(1.0);
  if (HAS_POSITIVE_WEIGHTS) {
    for (var k = 0u; k < WIDTH; k++) { setPart(&positive, k, positiveWeights[(thread * WIDTH + k) % u.channels]); }
  }
  var sum = Number(0.0);
  var count = 0.0;
  if (weight != 0.0) {
    for (var i = thread; i < u.perSample; i += u.threads) {
      let z = logits[sample * u.perSample + i];
      let t = targets[sample * u.perSample + i];
      var own = (1.0 - t) * z + (1.0 + (positive - 1.0) * t) * softplusOfMinus(z);
      if (FOCAL) { own *= focalFactor(focalMiss(z, t), t, u.gamma, u.alphaPositive, u.alphaNegative); }
      sum += own;
      count += f32(WIDTH);
    }
  }
  let total = workgroupTotal(lane, weight * vec2f(itemSum(sum), count));
  if (lane == 0u) {
    if (u.partialCount == 1u) {
      let result = lossAndFactor(total, u.reduction);
      loss[0] = result.x;
      factor[0] = result.y;
    } else if (index < u.partialCount) {
      partials[index] = total;
    }
  }
}
