// gradLogits = gradOutput * factor * w * ((1 - t) - (1 + (pw - 1) * t) * sigmoid(-z)): names and threads as in forward.wgsl.
// gradOutput is one number (gradStride 0) or one per sample (1). FOCAL: the derivative of focal factor times element loss.

// #include "common/bce.wgsl"
// #include "common/focal.wgsl"
// #include "common/grid.wgsl"
// #include "common/width.wgsl"

override HAS_POSITIVE_WEIGHTS: bool = false;
override HAS_SAMPLE_WEIGHTS: bool = false;

struct Uniforms {
  samples: u32,
  perSample: u32,
  channels: u32,
  threads: u32,
  groups: u32,
  gradStride: u32,
  gamma: f32,
  alphaPositive: f32,
  alphaNegative: f32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> gradOutput: array<f32>;
@group(0) @binding(2) var<storage, read> logits: array<Number>;
@group(0) @binding(3) var<storage, read> targets: array<Number>;
@group(0) @binding(4) var<storage, read> positiveWeights: array<f32>;
@group(0) @binding(5) var<storage, read> sampleWeights: array<f32>;
@group(0) @binding(6) var<storage, read> factor: array<f32>;
@group(0) @binding(7) var<storage, read_write> gradLogits: array<Number>;

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
  var scale = gradOutput[sample * u.gradStride] * factor[0];
  if (HAS_SAMPLE_WEIGHTS) { scale *= sampleWeights[sample]; }
  var positive = Number(1.0);
  if (HAS_POSITIVE_WEIGHTS) {
    for (var k = 0u; k < WIDTH; k++) { setPart(&positive, k, positiveWeights[(thread * WIDTH + k) % u.channels]); }
  }
  for (var i = thread; i < u.perSample; i += u.threads) {
    let at = sample * u.perSample + i;
    let z = logits[at];
    let t = targets[at];
    var slope = (1.0 - t) - (1.0 + (positive - 1.0) * t) * sigmoidOfMinus(z);
    if (FOCAL) {
      // d q / d z = (1 - 2 t) sigmoid(z) sigmoid(-z); over q first, which keeps it from underflowing.
      let q = focalMiss(z, t);
      let own = (1.0 - t) * z + (1.0 + (positive - 1.0) * t) * softplusOfMinus(z);
      let fall = u.gamma * (1.0 - 2.0 * t) * (sigmoidOfMinus(z) / q) * sigmoidOfMinus(-z);
      slope = focalFactor(q, t, u.gamma, u.alphaPositive, u.alphaNegative) * (slope + own * fall);
    }
    gradLogits[at] = scale * slope;
  }
}
