// squares.wgsl for GPUs: the same slots, each summed by 16 lanes of a workgroup and not by one thread.
//
// A workgroup of 256 lanes owns 16 neighboring slots of one tensor (common/columnTree.wgsl); lane row j of a slot s takes the groups of four
// s + count * j, s + count * (j + 16), …. Workgroups go through the tensors in order. NaN and Inf are recognized in the words, as there.

// #include "common/grid.wgsl"
// #include "common/width.wgsl"
// #include "common/columnTree.wgsl"

struct Uniforms {
  size0: u32, first0: u32, count0: u32, weight0: f32,
  size1: u32, first1: u32, count1: u32, weight1: f32,
  size2: u32, first2: u32, count2: u32, weight2: f32,
  size3: u32, first3: u32, count3: u32, weight3: f32,
  size4: u32, first4: u32, count4: u32, weight4: f32,
  size5: u32, first5: u32, count5: u32, weight5: f32,
  size6: u32, first6: u32, count6: u32, weight6: f32,
  workgroups: u32,
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

const TENSORS = 7u;
struct Place { size: u32, first: u32, count: u32, weight: f32 }

fn placeOf(tensor: u32) -> Place {
  switch tensor {
    case 0u: { return Place(u.size0, u.first0, u.count0, u.weight0); }
    case 1u: { return Place(u.size1, u.first1, u.count1, u.weight1); }
    case 2u: { return Place(u.size2, u.first2, u.count2, u.weight2); }
    case 3u: { return Place(u.size3, u.first3, u.count3, u.weight3); }
    case 4u: { return Place(u.size4, u.first4, u.count4, u.weight4); }
    case 5u: { return Place(u.size5, u.first5, u.count5, u.weight5); }
    default: { return Place(u.size6, u.first6, u.count6, u.weight6); }
  }
}

fn wordsAt(tensor: u32, i: u32) -> vec4u {
  switch tensor {
    case 0u: { return x0[i]; }
    case 1u: { return x1[i]; }
    case 2u: { return x2[i]; }
    case 3u: { return x3[i]; }
    case 4u: { return x4[i]; }
    case 5u: { return x5[i]; }
    default: { return x6[i]; }
  }
}

// #include "common/squaresTree.wgsl"
