// Entropy of softmax(logits) [rows, columns], averaged over rows: with p = softmax, row entropy H = log(sum of exp) - sum of p * z
// (z the logits less their maximum), loss = sum of w * H / sum of w, w the sample weights [rows] or 1.
//
// A thread owns rows `stride` apart; see common/lossMean.wgsl for what follows.

// #include "common/grid.wgsl"
// #include "common/lossMean.wgsl"
// #include "common/nan.wgsl"

alias Number = f32;
alias Index = u32;

override HAS_SAMPLE_WEIGHTS: bool = false;

struct Uniforms { rows: u32, columns: u32, stride: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> sampleWeights: array<f32>;
@group(0) @binding(3) var<storage, read_write> partials: array<vec2f>;
@group(0) @binding(4) var<storage, read_write> loss: array<f32>;
@group(0) @binding(5) var<storage, read_write> factor: array<f32>;

fn rowEntropy(row: u32) -> f32 {
  let first = row * u.columns;
  let end = first + u.columns;
  var largest = -3.4e38;
  for (var i = first; i < end; i++) { largest = max(largest, logits[i]); }
  var sum = 0.0;
  var product = 0.0;
  for (var i = first; i < end; i++) {
    let z = logits[i] - largest;
    let e = expKept(z);
    sum += e;
    product += e * z;
  }
  return logKept(sum) - product / sum;
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups);
  var sum = vec2f(0.0);
  for (var row = index * 64u + lane; row < u.rows; row += u.stride) {
    var weight = 1.0;
    if (HAS_SAMPLE_WEIGHTS) { weight = sampleWeights[row]; }
    sum += vec2f(weight * rowEntropy(row), weight);
  }
  let total = workgroupTotal(lane, sum);
  if (lane == 0u) {
    if (u.stride > 64u) {
      partials[index] = total;
    } else {
      let result = lossAndFactor(total, REDUCTION_MEAN);
      loss[0] = result.x;
      factor[0] = result.y;
    }
  }
}
