// slots[first + s] = (sum of a[i] b[i], sum of a[i]^2, sum of b[i]^2, 0) over the groups of four s, s + count, s + 2 count, …
//
// a and b: one shape, `size` elements; slots: four numbers each, those of other tensors are left alone. A thread owns one slot, as in
// squares.wgsl: one dispatch a pair of tensors, then dotTotals sums the slots of all pairs at once, in order. All three products in one
// pass, since reading is what it costs.

// #include "common/grid.wgsl"

struct Uniforms { size: u32, first: u32, count: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> a: array<vec4f>;
@group(0) @binding(2) var<storage, read> b: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> slots: array<vec4f>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let slot = linearWorkgroup(workgroup, workgroups) * 64u + lane;
  if (slot >= u.count) { return; }
  var ab = vec4f(0.0);
  var aa = vec4f(0.0);
  var bb = vec4f(0.0);
  for (var i = slot; i * 4u < u.size; i += u.count) {
    // Lanes past the end hold anything.
    let inside = vec4u(i * 4u) + vec4u(0u, 1u, 2u, 3u) < vec4u(u.size);
    let left = select(vec4f(0.0), a[i], inside);
    let right = select(vec4f(0.0), b[i], inside);
    ab += left * right;
    aa += left * left;
    bb += right * right;
  }
  let one = vec4f(1.0);
  slots[u.first + slot] = vec4f(dot(ab, one), dot(aa, one), dot(bb, one), 0.0);
}
