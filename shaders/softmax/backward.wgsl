// Row-wise gradient from the saved output: softmax gradX = y * (g - sum(g * y)); log softmax gradX = g - exp(y) * sum(g).
//
// A thread owns a row, as in forward.wgsl.

// #include "common/grid.wgsl"
// #include "common/nan.wgsl"

alias Number = f32;
alias Index = u32;

override LOG: bool = false;

struct Uniforms { rows: u32, columns: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> gradOutput: array<f32>;
@group(0) @binding(2) var<storage, read> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> gradX: array<f32>;

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
  var sum = 0.0;
  for (var i = first; i < end; i++) { sum += select(gradOutput[i] * y[i], gradOutput[i], LOG); }
  for (var i = first; i < end; i++) {
    if (LOG) { gradX[i] = gradOutput[i] - expKept(y[i]) * sum; } else { gradX[i] = y[i] * (gradOutput[i] - sum); }
  }
}
