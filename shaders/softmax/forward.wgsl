// out = softmax(x), or log softmax where LOG is set, of each row of x [rows, columns]; the row's maximum is taken off first,
// so that no exponent overflows.
//
// A thread owns a row: rows are short here (2 to some tens of classes).

// #include "common/grid.wgsl"

alias Number = f32;
alias Index = u32;

// #include "common/elementary.wgsl"

override LOG: bool = false;

struct Uniforms { rows: u32, columns: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

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
  for (var i = first; i < end; i++) { largest = max(largest, x[i]); }
  var sum = 0.0;
  // In stretches, as reduce/sum.wgsl.
  for (var start = first; start < end; start += 32u) {
    var stretch = 0.0;
    for (var i = start; i < min(start + 32u, end); i++) { stretch += expOf(x[i] - largest); }
    sum += stretch;
  }
  let logSum = logOf(sum);
  for (var i = first; i < end; i++) {
    let shifted = x[i] - largest;
    if (LOG) { out[i] = shifted - logSum; } else { out[i] = expOf(shifted) / sum; }
  }
}
