// packed[z, r, c] = source[z * batch + r * row + c * column] * scale[r] * gain, zero where r or c lies outside the source
//
// Without hasScale both factors are 1 and its binding holds some other buffer. Brings an operand into what the fast matrix
// product kernels read: row-major, rows of whole vec4f, transposed where wanted. A thread owns one vec4f of the result.

// #include "common/grid.wgsl"
// #include "common/storage.wgsl"

// rows and quads (vec4f per row) are the packed extents; sourceRows and sourceColumns what of them the source fills.
struct Uniforms {
  size: u32, rows: u32, quads: u32, sourceRows: u32, sourceColumns: u32, batch: u32, row: u32, column: u32,
  hasScale: u32, gain: f32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> source: array<Scalar>;
@group(0) @binding(2) var<storage, read> scale: array<f32>;
@group(0) @binding(3) var<storage, read_write> packed: array<Vec4>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = linearWorkgroup(workgroup, workgroups) * 64u + lane;
  if (i >= u.size) { return; }
  let column = (i % u.quads) * 4u;
  let r = (i / u.quads) % u.rows;
  let z = i / (u.quads * u.rows);
  var value = vec4f(0.0);
  if (r < u.sourceRows) {
    let at = z * u.batch + r * u.row + column * u.column;
    if (column < u.sourceColumns) { value.x = f32(source[at]); }
    if (column + 1u < u.sourceColumns) { value.y = f32(source[at + u.column]); }
    if (column + 2u < u.sourceColumns) { value.z = f32(source[at + 2u * u.column]); }
    if (column + 3u < u.sourceColumns) { value.w = f32(source[at + 3u * u.column]); }
    if (u.hasScale != 0u) { value *= scale[r] * u.gain; }
  }
  packed[i] = Vec4(value);
}
