// out[i] = x[i] in another floating-point format. Threads and the partial last group as in unary/forward.wgsl.

// #include "common/grid.wgsl"
// #include "common/walk.wgsl"
// #include "common/wholeGroup.wgsl"
// #include "common/storage.wgsl"
// #include "common/result.wgsl"

struct Uniforms { size: u32, share: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<Vec4>;
@group(0) @binding(2) var<storage, read_write> out: array<Result4>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let span = spanOf(linearWorkgroup(workgroup, workgroups), u.share, (u.size + 3u) / 4u);
  for (var group = span.begin + lane; group < span.end; group += THREADS) {
    let value = Result4(x[group]);
    let left = u.size - group * 4u;
    if (isWhole(left)) {
      out[group] = value;
    } else {
      for (var k = 0u; k < left; k++) { out[group][k] = value[k]; }
    }
  }
}
