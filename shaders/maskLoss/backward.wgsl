// gradLogits = gradOutput * (factor * ((1 - t) - (1 + (pw - 1) * t) * sigmoid(-z)) + (cP - cI * t) * p * (1 - p))
// with (cI, cP) the coefficients [samples, channels] of finish.wgsl and factor the weight of the cross entropy over its elements.
// Names and threads as in partial.wgsl.

// #include "common/grid.wgsl"
// #include "common/width.wgsl"
// #include "common/bce.wgsl"

override HAS_POSITIVE_WEIGHTS: bool = false;

struct Uniforms { samples: u32, perSample: u32, channels: u32, threads: u32, groups: u32, factor: f32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> gradOutput: array<f32>;
@group(0) @binding(2) var<storage, read> logits: array<Number>;
@group(0) @binding(3) var<storage, read> targets: array<Number>;
@group(0) @binding(4) var<storage, read> positiveWeights: array<f32>;
@group(0) @binding(5) var<storage, read> coefficients: array<vec2f>;
@group(0) @binding(6) var<storage, read_write> gradLogits: array<Number>;

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
  for (var k = 0u; k < WIDTH; k++) {
    let pair = coefficients[sample * u.channels + (thread * WIDTH + k) % u.channels];
    setPart(&both, k, pair.x);
    setPart(&predicted, k, pair.y);
  }
  for (var i = thread; i < u.perSample; i += u.threads) {
    let at = sample * u.perSample + i;
    let z = logits[at];
    let t = targets[at];
    let p = sigmoidOfMinus(-z);
    let rest = sigmoidOfMinus(z);
    let slope = u.factor * ((1.0 - t) - (1.0 + (positive - 1.0) * t) * rest);
    gradLogits[at] = gradOutput[0] * (slope + (predicted - both * t) * p * rest);
  }
}
