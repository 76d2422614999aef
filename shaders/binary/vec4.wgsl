// out[i] = a[i] (+ - * /) b[i] where each operand is read as element (i / divisor) % period of its buffer: covers equal
// shapes (divisor 1, period = size), a trailing vector such as a bias over channels (divisor 1, period C), a leading vector such
// as one number a sample (divisor = elements a sample, period N) and a scalar (period 1).
//
// A thread owns ITEMS groups of four neighbouring elements, a whole grid apart, so that neighbouring threads touch neighbouring
// memory. A_SPLAT / B_SPLAT: the four elements share one operand element (divisor a multiple of 4), else period a multiple of 4.
// Limits: the element count is a multiple of 4.

// #include "common/grid.wgsl"
// #include "common/binaryOperation.wgsl"

override A_SPLAT: bool = false;
override B_SPLAT: bool = false;

struct Uniforms {
  groups: u32,
  stride: u32,
  aDivisor: u32, aPeriod: u32,
  bDivisor: u32, bPeriod: u32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> a: array<vec4f>;
@group(0) @binding(2) var<storage, read> b: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4f>;

fn readA(group: u32) -> vec4f {
  if (A_SPLAT) {
    let at = (group * 4u / u.aDivisor) % u.aPeriod;
    return vec4f(a[at / 4u][at % 4u]);
  }
  return a[group % (u.aPeriod / 4u)];
}

fn readB(group: u32) -> vec4f {
  if (B_SPLAT) {
    let at = (group * 4u / u.bDivisor) % u.bPeriod;
    return vec4f(b[at / 4u][at % 4u]);
  }
  return b[group % (u.bPeriod / 4u)];
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  for (var group = linearWorkgroup(workgroup, workgroups) * 64u + lane; group < u.groups; group += u.stride) {
    out[group] = operate(readA(group), readB(group));
  }
}
