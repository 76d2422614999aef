// CORN loss (Shi, Cao and Raschka 2021) of logits [rows, tasks] against grades 0 .. tasks, [rows]. Task k asks "above k?" of the rows that are
// above k - 1, so row r with grade y takes part in the tasks 0 .. min(y, tasks - 1):
//   row loss = sum over its tasks of log(1 + exp(-z)) where y > k, of log(1 + exp(z)) where not;   row weight = their number
// Rows whose grade is negative or above `tasks` count nothing. Mean = sum of losses / sum of weights, over the rows; with
// reduction 0 each row's own, loss [rows].
//
// A thread owns rows `stride` apart; see common/lossMean.wgsl for what follows.

// #include "common/bce.wgsl"
// #include "common/grid.wgsl"
// #include "common/labels.wgsl"
// #include "common/lossMean.wgsl"

struct Uniforms { rows: u32, tasks: u32, stride: u32, reduction: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> labels: array<i32>;
@group(0) @binding(3) var<storage, read_write> partials: array<vec2f>;
@group(0) @binding(4) var<storage, read_write> loss: array<f32>;
@group(0) @binding(5) var<storage, read_write> factor: array<f32>;

alias Number = f32;
alias Index = u32;

fn rowLoss(row: u32) -> vec2f {
  let label = labels[row];
  let state = stateOf(label, -1, u.tasks + 1u);
  if (state == IGNORED) { return vec2f(0.0); }
  if (state == WRONG) { return vec2f(nanOf(u.tasks), 1.0); }
  let grade = u32(label);
  let count = min(grade + 1u, u.tasks);
  var sum = 0.0;
  for (var k = 0u; k < count; k++) {
    let z = logits[row * u.tasks + k];
    sum += softplusOfMinus(select(-z, z, grade > k));
  }
  return vec2f(sum, f32(count));
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
    if (u.reduction == REDUCTION_NONE) { loss[row] = value.x / max(value.y, 1.0); }
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
