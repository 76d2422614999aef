// Gradient of the fused cross entropy (forward.wgsl): with p = softmax(logits), W = sum of the class weights,
//   gradLogits[k] = g * factor * ((1 - s) * w[y] * (p[k] - [k = y]) + s / K * (p[k] * W - w[k]))
// where g is gradOutput, one number or (reduction 0) one a row. Ignored rows get zeros. A thread owns a row.

// #include "common/grid.wgsl"

override HAS_CLASS_WEIGHTS: bool = false;

struct Uniforms { rows: u32, columns: u32, ignored: i32, smoothing: f32, perRow: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> gradOutput: array<f32>;
@group(0) @binding(2) var<storage, read> logits: array<f32>;
@group(0) @binding(3) var<storage, read> labels: array<i32>;
@group(0) @binding(4) var<storage, read> classWeights: array<f32>;
@group(0) @binding(5) var<storage, read> factor: array<f32>;
@group(0) @binding(6) var<storage, read_write> gradLogits: array<f32>;

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
  let row = linearWorkgroup(workgroup, workgroups) * 64u + lane;
  if (row >= u.rows) { return; }
  let first = row * u.columns;
  let label = labels[row];
  if (label < 0 || label == u.ignored || u32(label) >= u.columns) {
    for (var c = 0u; c < u.columns; c++) { gradLogits[first + c] = 0.0; }
    return;
  }
  var largest = -3.4e38;
  for (var c = 0u; c < u.columns; c++) { largest = max(largest, logits[first + c]); }
  var sum = 0.0;
  var weights = 0.0;
  for (var c = 0u; c < u.columns; c++) {
    sum += exp(logits[first + c] - largest);
    weights += weightOf(c);
  }
  let scale = gradOutput[row * u.perRow] * factor[0];
  let own = (1.0 - u.smoothing) * weightOf(u32(label));
  let spread = u.smoothing / f32(u.columns);
  for (var c = 0u; c < u.columns; c++) {
    let p = exp(logits[first + c] - largest) / sum;
    let hit = select(0.0, 1.0, c == u32(label));
    gradLogits[first + c] = scale * (own * (p - hit) + spread * (p * weights - weightOf(c)));
  }
}
