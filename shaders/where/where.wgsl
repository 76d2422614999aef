// out[i] = condition[i] != 0 ? a[i] : b[i]. Elements are picked, not computed with: what is not picked may be NaN or infinite.
//
// Threads and the partial last group as in unary/forward.wgsl.

// #include "common/grid.wgsl"
// #include "common/walk.wgsl"
// #include "common/wholeGroup.wgsl"
// #include "common/storage.wgsl"

struct Uniforms { size: u32, share: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> condition: array<Vec4>;
@group(0) @binding(2) var<storage, read> a: array<Vec4>;
@group(0) @binding(3) var<storage, read> b: array<Vec4>;
@group(0) @binding(4) var<storage, read_write> out: array<Vec4>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let span = spanOf(linearWorkgroup(workgroup, workgroups), u.share, (u.size + 3u) / 4u);
  for (var group = span.begin + lane; group < span.end; group += THREADS) {
    // By their bits: a comparison may take subnormal numbers for 0, and NaN for equal.
    let picks = (bitcast<vec4u>(vec4f(condition[group])) & vec4u(0x7fffffffu)) != vec4u(0u);
    let value = select(b[group], a[group], picks);
    let left = u.size - group * 4u;
    if (isWhole(left)) {
      out[group] = value;
    } else {
      for (var k = 0u; k < left; k++) { out[group][k] = value[k]; }
    }
  }
}
