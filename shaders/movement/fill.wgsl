// out[i] = the value whose bit pattern is `bits` (float16: twice, side by side), for i < size.
//
// Threads and the partial last group as in unary/forward.wgsl.

// #include "common/grid.wgsl"
// #include "common/walk.wgsl"
// #include "common/wholeGroup.wgsl"
// #include "common/storage.wgsl"

struct Uniforms { size: u32, share: u32, bits: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read_write> out: array<Bits4>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let span = spanOf(linearWorkgroup(workgroup, workgroups), u.share, (u.size + 3u) / 4u);
  for (var item = span.begin + lane; item < span.end; item += THREADS) {
    let left = u.size - item * 4u;
    if (isWhole(left)) {
      out[item] = Bits4(u.bits);
    } else if (HALF) {
      // Words of two: the second half of an odd count's last word is left as it is.
      for (var k = 0u; k < left / 2u; k++) { out[item][k] = u.bits; }
      if (left % 2u == 1u) { out[item][left / 2u] = (out[item][left / 2u] & 0xffff0000u) | (u.bits & 0xffffu); }
    } else {
      for (var k = 0u; k < left; k++) { out[item][k] = u.bits; }
    }
  }
}
