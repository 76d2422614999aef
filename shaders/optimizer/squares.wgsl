// slots[first + s] = [sum of (weight x[i])^2, count of x[i] that are NaN or infinite] over the groups of four s, s + count, s + 2 count, …
//
// x: any shape, `size` elements; slots: pairs, those of other tensors are left alone. A thread owns one slot: several threads a
// tensor, each with its own slot, so one dispatch a tensor is enough and clipGate sums all slots of all tensors at once, in order.
// WGSL may assume that floats are finite, so NaN and Inf are recognised in the words: exponent bits all ones. They count
// nothing in the sum.

// #include "common/grid.wgsl"

struct Uniforms { size: u32, first: u32, count: u32, weight: f32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> slots: array<vec2f>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let slot = linearWorkgroup(workgroup, workgroups) * 64u + lane;
  if (slot >= u.count) { return; }
  var sum = vec4f(0.0);
  var bad = vec4u(0u);
  for (var group = slot; group * 4u < u.size; group += u.count) {
    // Lanes past the end hold anything.
    let inside = vec4u(group * 4u) + vec4u(0u, 1u, 2u, 3u) < vec4u(u.size);
    let words = select(vec4u(0u), x[group], inside);
    let nonFinite = (words & vec4u(0x7f800000u)) == vec4u(0x7f800000u);
    bad += select(vec4u(0u), vec4u(1u), nonFinite);
    let value = u.weight * bitcast<vec4f>(select(words, vec4u(0u), nonFinite));
    sum += value * value;
  }
  slots[u.first + slot] = vec2f(sum.x + sum.y + sum.z + sum.w, f32(bad.x + bad.y + bad.z + bad.w));
}
