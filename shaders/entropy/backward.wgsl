// Gradient of the mean entropy (forward.wgsl): gradLogits[k] = -gradOutput * factor * w * p[k] * (log p[k] + H). A thread owns a row.

// #include "common/grid.wgsl"
// #include "common/nan.wgsl"

alias Number = f32;
alias Index = u32;

override HAS_SAMPLE_WEIGHTS: bool = false;

struct Uniforms { rows: u32, columns: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> gradOutput: array<f32>;
@group(0) @binding(2) var<storage, read> logits: array<f32>;
@group(0) @binding(3) var<storage, read> sampleWeights: array<f32>;
@group(0) @binding(4) var<storage, read> factor: array<f32>;
@group(0) @binding(5) var<storage, read_write> gradLogits: array<f32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = linearWorkgroup(workgroup, workgroups) * 64u + lane;
  if (row >= u.rows) { return; }
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
  var scale = gradOutput[0] * factor[0];
  if (HAS_SAMPLE_WEIGHTS) { scale *= sampleWeights[row]; }
  // log p + H = z - log(sum) + log(sum) - product / sum.
  let meanLogit = product / sum;
  for (var i = first; i < end; i++) {
    let z = logits[i] - largest;
    gradLogits[i] = -scale * expKept(z) / sum * (z - meanLogit);
  }
}
