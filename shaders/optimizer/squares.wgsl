// For up to seven tensors x of `size` elements each:
//   slots[first + s] = [sum of (weight x[i])^2, count of x[i] that are NaN or infinite] over the groups of four s, s + count, s + 2 count, …
//
// slots: pairs, those of other tensors are left alone. A thread owns one slot of each tensor, so that clipGate sums all slots of all tensors
// at once, in order. WGSL may assume that floats are finite, so NaN and Inf are recognized in the words: exponent bits all ones. They count
// nothing in the sum. Seven, since WebGPU grants 8 storage buffers; a tensor that is not there has count 0.

// #include "common/grid.wgsl"

struct Uniforms {
  size0: u32, first0: u32, count0: u32, weight0: f32,
  size1: u32, first1: u32, count1: u32, weight1: f32,
  size2: u32, first2: u32, count2: u32, weight2: f32,
  size3: u32, first3: u32, count3: u32, weight3: f32,
  size4: u32, first4: u32, count4: u32, weight4: f32,
  size5: u32, first5: u32, count5: u32, weight5: f32,
  size6: u32, first6: u32, count6: u32, weight6: f32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read_write> slots: array<vec2f>;
@group(0) @binding(2) var<storage, read> x0: array<vec4u>;
@group(0) @binding(3) var<storage, read> x1: array<vec4u>;
@group(0) @binding(4) var<storage, read> x2: array<vec4u>;
@group(0) @binding(5) var<storage, read> x3: array<vec4u>;
@group(0) @binding(6) var<storage, read> x4: array<vec4u>;
@group(0) @binding(7) var<storage, read> x5: array<vec4u>;
@group(0) @binding(8) var<storage, read> x6: array<vec4u>;

struct Sums { squares: vec4f, bad: vec4u }

// The sums with one more group of four; lanes past the end of the tensor hold anything.
fn added(sums: Sums, group: u32, size: u32, weight: f32, x: vec4u) -> Sums {
  let inside = vec4u(group * 4u) + vec4u(0u, 1u, 2u, 3u) < vec4u(size);
  let words = select(vec4u(0u), x, inside);
  let nonFinite = (words & vec4u(0x7f800000u)) == vec4u(0x7f800000u);
  let value = weight * bitcast<vec4f>(select(words, vec4u(0u), nonFinite));
  return Sums(sums.squares + value * value, sums.bad + select(vec4u(0u), vec4u(1u), nonFinite));
}

fn slotOf(sums: Sums) -> vec2f {
  let s = sums.squares;
  let b = sums.bad;
  return vec2f(s.x + s.y + s.z + s.w, f32(b.x + b.y + b.z + b.w));
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let slot = linearWorkgroup(workgroup, workgroups) * 64u + lane;

  if (slot < u.count0) {
    var sums = Sums();
    for (var i = slot; i * 4u < u.size0; i += u.count0) { sums = added(sums, i, u.size0, u.weight0, x0[i]); }
    slots[u.first0 + slot] = slotOf(sums);
  }

  if (slot < u.count1) {
    var sums = Sums();
    for (var i = slot; i * 4u < u.size1; i += u.count1) { sums = added(sums, i, u.size1, u.weight1, x1[i]); }
    slots[u.first1 + slot] = slotOf(sums);
  }

  if (slot < u.count2) {
    var sums = Sums();
    for (var i = slot; i * 4u < u.size2; i += u.count2) { sums = added(sums, i, u.size2, u.weight2, x2[i]); }
    slots[u.first2 + slot] = slotOf(sums);
  }

  if (slot < u.count3) {
    var sums = Sums();
    for (var i = slot; i * 4u < u.size3; i += u.count3) { sums = added(sums, i, u.size3, u.weight3, x3[i]); }
    slots[u.first3 + slot] = slotOf(sums);
  }

  if (slot < u.count4) {
    var sums = Sums();
    for (var i = slot; i * 4u < u.size4; i += u.count4) { sums = added(sums, i, u.size4, u.weight4, x4[i]); }
    slots[u.first4 + slot] = slotOf(sums);
  }

  if (slot < u.count5) {
    var sums = Sums();
    for (var i = slot; i * 4u < u.size5; i += u.count5) { sums = added(sums, i, u.size5, u.weight5, x5[i]); }
    slots[u.first5 + slot] = slotOf(sums);
  }

  if (slot < u.count6) {
    var sums = Sums();
    for (var i = slot; i * 4u < u.size6; i += u.count6) { sums = added(sums, i, u.size6, u.weight6, x6[i]); }
    slots[u.first6 + slot] = slotOf(sums);
  }
}
