// out[i] = f(x[i]).
//
// A thread owns groups of four neighboring elements of its workgroup's span; the last group may be partial and is then stored element by
// element, so that nothing past the end is written.

// #include "common/grid.wgsl"
// #include "common/walk.wgsl"
// #include "common/wholeGroup.wgsl"
// #include "common/storage.wgsl"
// #include "common/unaryFunction.wgsl"

struct Uniforms { size: u32, share: u32, scale: f32, shift: f32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<Vec4>;
@group(0) @binding(2) var<storage, read_write> out: array<Vec4>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let span = spanOf(linearWorkgroup(workgroup, workgroups), u.share, (u.size + 3u) / 4u);
  for (var group = span.begin + lane; group < span.end; group += THREADS) {
    let value = unary(vec4f(x[group]), u.scale, u.shift);
    let left = u.size - group * 4u;
    if (isWhole(left)) {
      out[group] = Vec4(value);
    } else {
      for (var k = 0u; k < left; k++) { out[group][k] = Scalar(value[k]); }
    }
  }
}
