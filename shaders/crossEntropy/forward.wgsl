// Cross entropy of logits [rows, columns] against labels [rows], fused with log softmax. With w the class weights (or 1),
// lp = log softmax, y the label, K = columns and s the label smoothing, as torch.nn.functional.cross_entropy:
//   row loss = (1 - s) * -w[y] * lp[y] + s / K * sum over k of -w[k] * lp[k],   row weight = w[y]
// Rows whose label is negative or `ignored` count nothing; a label that is not a class makes its row NaN. Mean = sum of losses / sum of weights.
// stats [rows]: (the largest logit, the log of the sum of exponentials below it), from which backward has its probabilities.
//
// A thread owns rows `stride` apart and walks each once (twice where labels are smoothed); see common/lossMean.wgsl for what follows. With
// reduction 0 it stores each row's loss.

// #include "common/grid.wgsl"
// #include "common/labels.wgsl"
// #include "common/lossMean.wgsl"

alias Number = f32;
alias Index = u32;
// #include "common/onlineSoftmax.wgsl"

override HAS_CLASS_WEIGHTS: bool = false;

struct Uniforms { rows: u32, columns: u32, stride: u32, ignored: i32, smoothing: f32, reduction: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> labels: array<i32>;
@group(0) @binding(3) var<storage, read> classWeights: array<f32>;
@group(0) @binding(4) var<storage, read_write> partials: array<vec2f>;
@group(0) @binding(5) var<storage, read_write> loss: array<f32>;
@group(0) @binding(6) var<storage, read_write> factor: array<f32>;
@group(0) @binding(7) var<storage, read_write> stats: array<vec2f>;

// Not select(): without weights the buffer bound here is another one.
fn weightOf(column: u32) -> f32 {
  if (HAS_CLASS_WEIGHTS) { return classWeights[column]; }
  return 1.0;
}

fn rowLoss(row: u32) -> vec2f {
  let first = row * u.columns;
  var peak = NO_PEAK;
  for (var c = 0u; c < u.columns; c++) { peak = absorb(peak, logits[first + c]); }
  let logSum = logOfSum(peak.sum, peak.largest);
  stats[row] = vec2f(peak.largest, logSum);
  let label = labels[row];
  let state = stateOf(label, u.ignored, u.columns);
  if (state == IGNORED) { return vec2f(0.0); }
  if (state == WRONG) { return vec2f(nanOf(u.columns), 1.0); }
  var spread = 0.0;
  if (u.smoothing > 0.0) {
    for (var c = 0u; c < u.columns; c++) { spread += weightOf(c) * (logSum - (logits[first + c] - peak.largest)); }
  }
  let weight = weightOf(u32(label));
  let own = weight * (logSum - (logits[first + u32(label)] - peak.largest));
  return vec2f((1.0 - u.smoothing) * own + u.smoothing / f32(u.columns) * spread, weight);
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
    let value = rowLoss(row);
    sum += value;
    if (u.reduction == REDUCTION_NONE) { loss[row] = value.x; }
  }
  if (u.reduction == REDUCTION_NONE) {
    if (index == 0u && lane == 0u) { factor[0] = 1.0; }
    return;
  }
  let total = workgroupTotal(lane, sum);
  if (lane == 0u) {
    if (u.stride > 64u) {
      partials[index] = total;
    } else {
      let result = lossAndFactor(total, u.reduction);
      loss[0] = result.x;
      factor[0] = result.y;
    }
  }
}
