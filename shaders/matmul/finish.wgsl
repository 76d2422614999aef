// out[q] = sum over slices s of partial[s, q]      sums[q] = sum over slices s of partialSums[s, q]
//
// The second pass of a split product and of the sums that came with it, in one dispatch and in the order of the slices: no atomics,
// bitwise repeatable. A thread owns four neighbouring numbers of one of the two, `size` and then `sumsSize` of these groups
// (sumsSize is 0 where there are no sums; their bindings then hold other buffers).

// #include "common/grid.wgsl"
// #include "common/result.wgsl"

struct Uniforms { slices: u32, size: u32, sumsSize: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> partial: array<vec4f>;
@group(0) @binding(2) var<storage, read> partialSums: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> out: array<Result4>;
@group(0) @binding(4) var<storage, read_write> sums: array<vec4f>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = linearWorkgroup(workgroup, workgroups) * 64u + lane;
  if (i >= u.size + u.sumsSize) { return; }
  var total = vec4f(0.0);
  if (i < u.size) {
    for (var s = 0u; s < u.slices; s++) { total += partial[s * u.size + i]; }
    out[i] = Result4(total);
  } else {
    let q = i - u.size;
    for (var s = 0u; s < u.slices; s++) { total += partialSums[s * u.sumsSize + q]; }
    sums[q] = total;
  }
}
