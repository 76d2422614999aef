// Gradient of the CORN loss (forward.wgsl): gradLogits[r, k] = g * factor * (sigmoid(z) - [y > k]) where row r takes part in task k, else 0.
// g is gradOutput, one number, or with perRow one per row and divided by the number of the row's tasks. A thread owns a row.

// #include "common/bce.wgsl"
// #include "common/grid.wgsl"
// #include "common/labels.wgsl"

struct Uniforms { rows: u32, tasks: u32, perRow: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> gradOutput: array<f32>;
@group(0) @binding(2) var<storage, read> logits: array<f32>;
@group(0) @binding(3) var<storage, read> labels: array<i32>;
@group(0) @binding(4) var<storage, read> factor: array<f32>;
@group(0) @binding(5) var<storage, read_write> gradLogits: array<f32>;

alias Number = f32;
alias Index = u32;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = linearWorkgroup(workgroup, workgroups) * 64u + lane;
  if (row >= u.rows) { return; }
  let label = labels[row];
  var count = 0u;
  let state = stateOf(label, -1, u.tasks + 1u);
  if (state == COUNTS) { count = min(u32(label) + 1u, u.tasks); }
  var scale = gradOutput[row * u.perRow] * factor[0];
  if (state == WRONG) { scale = nanOf(u.tasks); }
  if (u.perRow != 0u) { scale /= f32(max(count, 1u)); }
  for (var k = 0u; k < u.tasks; k++) {
    let at = row * u.tasks + k;
    var slope = 0.0;
    // -sigmoid(-z) where above, sigmoid(z) where not: no difference that cancels.
    if (k < count) {
      let z = logits[at];
      let above = i32(k) < label;
      slope = select(1.0, -1.0, above) * sigmoidOfMinus(select(-z, z, above));
    }
    gradLogits[at] = scale * slope;
  }
}
