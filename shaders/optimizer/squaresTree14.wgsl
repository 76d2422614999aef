// squaresTree.wgsl for fourteen tensors: for GPUs that grant a shader stage 15 storage buffers or more.

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
  size7: u32, first7: u32, count7: u32, weight7: f32,
  size8: u32, first8: u32, count8: u32, weight8: f32,
  size9: u32, first9: u32, count9: u32, weight9: f32,
  size10: u32, first10: u32, count10: u32, weight10: f32,
  size11: u32, first11: u32, count11: u32, weight11: f32,
  size12: u32, first12: u32, count12: u32, weight12: f32,
  size13: u32, first13: u32, count13: u32, weight13: f32,
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
@group(0) @binding(9) var<storage, read> x7: array<vec4u>;
@group(0) @binding(10) var<storage, read> x8: array<vec4u>;
@group(0) @binding(11) var<storage, read> x9: array<vec4u>;
@group(0) @binding(12) var<storage, read> x10: array<vec4u>;
@group(0) @binding(13) var<storage, read> x11: array<vec4u>;
@group(0) @binding(14) var<storage, read> x12: array<vec4u>;
@group(0) @binding(15) var<storage, read> x13: array<vec4u>;

const TENSORS = 14u;
struct Place { size: u32, first: u32, count: u32, weight: f32 }

fn placeOf(tensor: u32) -> Place {
  switch tensor {
    case 0u: { return Place(u.size0, u.first0, u.count0, u.weight0); }
    case 1u: { return Place(u.size1, u.first1, u.count1, u.weight1); }
    case 2u: { return Place(u.size2, u.first2, u.count2, u.weight2); }
    case 3u: { return Place(u.size3, u.first3, u.count3, u.weight3); }
    case 4u: { return Place(u.size4, u.first4, u.count4, u.weight4); }
    case 5u: { return Place(u.size5, u.first5, u.count5, u.weight5); }
    case 6u: { return Place(u.size6, u.first6, u.count6, u.weight6); }
    case 7u: { return Place(u.size7, u.first7, u.count7, u.weight7); }
    case 8u: { return Place(u.size8, u.first8, u.count8, u.weight8); }
    case 9u: { return Place(u.size9, u.first9, u.count9, u.weight9); }
    case 10u: { return Place(u.size10, u.first10, u.count10, u.weight10); }
    case 11u: { return Place(u.size11, u.first11, u.count11, u.weight11); }
    case 12u: { return Place(u.size12, u.first12, u.count12, u.weight12); }
    default: { return Place(u.size13, u.first13, u.count13, u.weight13); }
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
    case 6u: { return x6[i]; }
    case 7u: { return x7[i]; }
    case 8u: { return x8[i]; }
    case 9u: { return x9[i]; }
    case 10u: { return x10[i]; }
    case 11u: { return x11[i]; }
    case 12u: { return x12[i]; }
    default: { return x13[i]; }
  }
}

// #include "common/squaresTree.wgsl"
