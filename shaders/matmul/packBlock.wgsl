// packed[z, r, c] = source[z, r, c] * scale[r] * gain, source stored [rows, columns] or, where `transposed` is set, [columns, rows]
//
// pack.wgsl for extents in fours. Without hasScale both factors are 1 and the binding holds some other buffer. A thread owns four rows
// of four columns: four loads of a vec4f, a transposition in registers and four stores, where pack.wgsl has sixteen loads and four
// times the divisions.

// #include "common/grid.wgsl"
// #include "common/storage.wgsl"

// rows4 and columns4 count fours.
struct Uniforms { size: u32, rows4: u32, columns4: u32, transposed: u32, hasScale: u32, gain: f32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> source: array<Vec4>;
@group(0) @binding(2) var<storage, read> scale: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> packed: array<Vec4>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = linearWorkgroup(workgroup, workgroups) * 64u + lane;
  if (i >= u.size) { return; }
  let column = i % u.columns4;
  let rest = i / u.columns4;
  let row = rest % u.rows4;
  let base = rest / u.rows4 * u.rows4 * u.columns4 * 4u;
  let to = base + row * 4u * u.columns4 + column;
  let stride = select(u.columns4, u.rows4, u.transposed != 0u);
  let at = select(to, base + column * 4u * u.rows4 + row, u.transposed != 0u);
  var v = mat4x4f(
    vec4f(source[at]), vec4f(source[at + stride]), vec4f(source[at + 2u * stride]), vec4f(source[at + 3u * stride]),
  );
  if (u.transposed != 0u) { v = transpose(v); }
  var factor = vec4f(1.0);
  if (u.hasScale != 0u) { factor = scale[row] * u.gain; }
  packed[to] = Vec4(v[0] * factor.x);
  packed[to + u.columns4] = Vec4(v[1] * factor.y);
  packed[to + 2u * u.columns4] = Vec4(v[2] * factor.z);
  packed[to + 3u * u.columns4] = Vec4(v[3] * factor.w);
}
