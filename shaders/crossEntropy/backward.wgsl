// Gradient of the fused cross entropy (forward.wgsl): with p = softmax(logits), W = sum of the class weights,
//   gradLogits[k] = g * factor * ((1 - s) * w[y] * (p[k] - [k = y]) + s / K * (p[k] * W - w[k]))
// where g is gradOutput, one number or (reduction 0) one per row. p[k] = exp(logits[k] - largest - logSum) with the row's stats. Ignored rows
// get zeros. A thread owns rows `stride` apart and walks each once.

// #include "common/grid.wgsl"
// #include "common/labels.wgsl"
// #include "common/nan.wgsl"

alias Number = f32;
alias Index = u32;

override HAS_CLASS_WEIGHTS: bool = false;

struct Uniforms { rows: u32, columns: u32, stride: u32, ignored: i32, smoothing: f32, perRow: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> gradOutput: array<f32>;
@group(0) @binding(2) var<storage, read> logits: array<f32>;
@group(0) @binding(3) var<storage, read> labels: array<i32>;
@group(0) @binding(4) var<storage, read> classWeights: array<f32>;
@group(0) @binding(5) var<storage, read> factor: array<f32>;
@group(0) @binding(6) var<storage, read> stats: array<vec2f>;
@group(0) @binding(7) var<storage, read_write> gradLogits: array<f32>;

// Not select(): without weights the buffer bound here is another one.
fn weightOf(column: u32) -> f32 {
  if (HAS_CLASS_WEIGHTS) { return classWeights[column]; }
  return 1.0;
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  var weights = f32(u.columns);
  if (HAS_CLASS_WEIGHTS && u.smoothing > 0.0) {
    weights = 0.0;
    for (var c = 0u; c < u.columns; c++) { weights += weightOf(c); }
  }
  let spread = u.smoothing / f32(u.columns);
  for (var row = linearWorkgroup(workgroup, workgroups) * 64u + lane; row < u.rows; row += u.stride) {
    let first = row * u.columns;
    let label = labels[row];
    let state = stateOf(label, u.ignored, u.columns);
    let counts = state == COUNTS;
    let known = select(0u, u32(label), counts);
    let scale = select(0.0, gradOutput[row * u.perRow] * factor[0], counts);
    let own = scale * (1.0 - u.smoothing) * weightOf(known);
    let slope = own + scale * spread * weights;
    let unread = select(0.0, nanOf(u.columns), state == WRONG);
    let row01 = stats[row];
    for (var c = 0u; c < u.columns; c++) {
      // An ignored row may hold anything, even what is not finite: its p is not multiplied by 0 but left out.
      let p = expKept(min(logits[first + c] - row01.x, 0.0) - row01.y);
      let value = slope * p - select(0.0, own, c == known) - scale * spread * weightOf(c);
      gradLogits[first + c] = select(unread, value, counts);
    }
  }
}
