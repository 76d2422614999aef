// out[row, offset + column] = the element at `column` of row `row` of up to seven inputs laid side by side.
//
// For concatenating many small tensors in one dispatch: WebGPU grants 8 storage buffers, of which the result is one. A row of input k is
// endK - end(K-1) elements long, a row of the result `length`. A thread owns one element. Values are moved as bit patterns.

// #include "common/grid.wgsl"
// #include "common/storage.wgsl"

struct Uniforms {
  rows: u32, length: u32, offset: u32,
  end0: u32, end1: u32, end2: u32, end3: u32, end4: u32, end5: u32, end6: u32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> x0: array<Bits>;
@group(0) @binding(2) var<storage, read> x1: array<Bits>;
@group(0) @binding(3) var<storage, read> x2: array<Bits>;
@group(0) @binding(4) var<storage, read> x3: array<Bits>;
@group(0) @binding(5) var<storage, read> x4: array<Bits>;
@group(0) @binding(6) var<storage, read> x5: array<Bits>;
@group(0) @binding(7) var<storage, read> x6: array<Bits>;
@group(0) @binding(8) var<storage, read_write> out: array<Bits>;

fn elementAt(row: u32, column: u32) -> Bits {
  if (column < u.end0) { return x0[row * u.end0 + column]; }
  if (column < u.end1) { return x1[row * (u.end1 - u.end0) + column - u.end0]; }
  if (column < u.end2) { return x2[row * (u.end2 - u.end1) + column - u.end1]; }
  if (column < u.end3) { return x3[row * (u.end3 - u.end2) + column - u.end2]; }
  if (column < u.end4) { return x4[row * (u.end4 - u.end3) + column - u.end3]; }
  if (column < u.end5) { return x5[row * (u.end5 - u.end4) + column - u.end4]; }
  return x6[row * (u.end6 - u.end5) + column - u.end5];
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = linearWorkgroup(workgroup, workgroups) * 64u + lane;
  if (i >= u.rows * u.end6) { return; }
  let row = i / u.end6;
  let column = i % u.end6;
  out[row * u.length + u.offset + column] = elementAt(row, column);
}
