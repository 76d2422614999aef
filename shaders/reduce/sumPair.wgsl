// firstOut[c] = sum over rows r of first[r, c], and secondOut[c] of second[r, c], r < extent in order: the second pass of column sums
// that come in pairs, in one dispatch. A thread owns column c of both.

// #include "common/grid.wgsl"

struct Uniforms { columns: u32, extent: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> first: array<f32>;
@group(0) @binding(2) var<storage, read> second: array<f32>;
@group(0) @binding(3) var<storage, read_write> firstOut: array<f32>;
@group(0) @binding(4) var<storage, read_write> secondOut: array<f32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let column = linearWorkgroup(workgroup, workgroups) * 64u + lane;
  if (column >= u.columns) { return; }
  var firstSum = 0.0;
  var secondSum = 0.0;
  for (var at = column; at < u.extent * u.columns; at += u.columns) {
    firstSum += first[at];
    secondSum += second[at];
  }
  firstOut[column] = firstSum;
  secondOut[column] = secondSum;
}
