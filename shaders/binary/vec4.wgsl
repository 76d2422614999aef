// out[i] = a[i] (+ - * /) b[i] where each operand is walked in one of three ways, in groups of four neighboring elements:
//   0 tail:  element i % tail: equal shapes (tail = all), a trailing vector such as a bias over channels (tail C);
//   1 splat: element (i / divisor) % period, the same for the whole group: one number per sample, a scalar (divisor a multiple of 4);
//   2 block: element ((i / divisor) % period) * tail + i % tail: one row of channels per sample, [N, 1, C] (tail a multiple of 4).
//
// A thread owns several groups of its workgroup's span. Integer division costs more than the arithmetic on software adapters: the walk is an
// override, and i % tail is stepped, not divided, from group to group.
// Limits: the element count is a multiple of 4.

// #include "common/grid.wgsl"
// #include "common/storage.wgsl"
// #include "common/binaryOperation.wgsl"

override A_WALK: u32 = 0u;
override B_WALK: u32 = 0u;

struct Uniforms {
  groups: u32,
  share: u32,
  aDivisor: u32, aPeriod: u32, aTail: u32,
  bDivisor: u32, bPeriod: u32, bTail: u32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> a: array<Vec4>;
@group(0) @binding(2) var<storage, read> b: array<Vec4>;
@group(0) @binding(3) var<storage, read_write> out: array<Vec4>;

fn readA(group: u32, column: u32) -> vec4f {
  if (A_WALK == 0u) { return vec4f(a[column]); }
  let row = (group * 4u / u.aDivisor) % u.aPeriod;
  if (A_WALK == 1u) { return vec4f(f32(a[row / 4u][row % 4u])); }
  return vec4f(a[row * (u.aTail / 4u) + column]);
}

fn readB(group: u32, column: u32) -> vec4f {
  if (B_WALK == 0u) { return vec4f(b[column]); }
  let row = (group * 4u / u.bDivisor) % u.bPeriod;
  if (B_WALK == 1u) { return vec4f(f32(b[row / 4u][row % 4u])); }
  return vec4f(b[row * (u.bTail / 4u) + column]);
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let span = spanOf(linearWorkgroup(workgroup, workgroups), u.share, u.groups);
  let first = span.begin + lane;
  let widthA = max(u.aTail / 4u, 1u);
  let widthB = max(u.bTail / 4u, 1u);
  let stepA = 64u % widthA;
  let stepB = 64u % widthB;
  var columnA = first % widthA;
  var columnB = first % widthB;
  for (var group = first; group < span.end; group += 64u) {
    out[group] = Vec4(operate(readA(group, columnA), readB(group, columnB)));
    columnA += stepA;
    columnA -= select(0u, widthA, columnA >= widthA);
    columnB += stepB;
    columnB -= select(0u, widthB, columnB >= widthB);
  }
}
