// out[i] = x[i] as another four-byte type. FROM and TO: 0 f32, 1 u32, 2 i32; both sides are bound as bit patterns.
//
// A thread owns elements of its workgroup's span. Not vectorized: it only ever meets masks, labels and seeds.

// #include "common/grid.wgsl"
// #include "common/walk.wgsl"

override FROM: u32 = 0u;
override TO: u32 = 0u;

struct Uniforms { size: u32, share: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read_write> out: array<u32>;

// NaN becomes the lowest number, as in PyTorch on x86, and never a small one that could be a class.
fn convert(bits: u32) -> u32 {
  if (TO == 0u) {
    if (FROM == 1u) { return bitcast<u32>(f32(bits)); }
    if (FROM == 2u) { return bitcast<u32>(f32(bitcast<i32>(bits))); }
    return bits;
  }
  if (FROM == 0u) {
    if ((bits & 0x7fffffffu) > 0x7f800000u) { return 0x80000000u; }
    if (TO == 1u) { return u32(bitcast<f32>(bits)); }
    return bitcast<u32>(i32(bitcast<f32>(bits)));
  }
  return bits;
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let span = spanOf(linearWorkgroup(workgroup, workgroups), u.share, u.size);
  for (var i = span.begin + lane; i < span.end; i += THREADS) {
    out[i] = convert(x[i]);
  }
}
