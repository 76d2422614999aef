// out[i] = a[i] (+ - * /) b[i] where each operand is walked in one of three ways, in groups of four neighboring elements:
//   0 tail:  element i % tail: equal shapes (tail = all), a trailing vector such as a bias over channels (tail C);
//   1 splat: element (i / divisor) % period, the same for the whole group: one number per sample, a scalar (divisor a multiple of 4);
//   2 block: element ((i / divisor) % period) * tail + i % tail: one row of channels per sample, [N, 1, C] (tail a multiple of 4).
//
// A thread owns several groups of its workgroup's span. Integer division costs more than the arithmetic on software adapters: the walk is an
// override, and where an operand is read is stepped, not divided, from group to group. The uniforms' divisors and tails count groups.
// Limits: the element count is a multiple of 4.

// #include "common/grid.wgsl"
// #include "common/walk.wgsl"
// #include "common/storage.wgsl"
// #include "common/binaryOperation.wgsl"

override A_WALK: u32 = 0u;
override B_WALK: u32 = 0u;

struct Uniforms {
  groups: u32,
  share: u32,
  aDivisor: u32, aPeriod: u32, aTail: u32,
  aStepColumn: u32, aStepWithin: u32, aStepRow: u32,
  bDivisor: u32, bPeriod: u32, bTail: u32,
  bStepColumn: u32, bStepWithin: u32, bStepRow: u32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> a: array<Vec4>;
@group(0) @binding(2) var<storage, read> b: array<Vec4>;
@group(0) @binding(3) var<storage, read_write> out: array<Vec4>;

// Where an operand is read: the column within its tail, and for splat and block the row, which is as far into its run of equals as `within`.
struct At { column: u32, within: u32, row: u32 }

fn atOf(walk: u32, group: u32, divisor: u32, period: u32, tail: u32) -> At {
  var at = At(0u, 0u, 0u);
  if (walk != 1u) { at.column = group % tail; }
  if (walk != 0u) {
    let run = group / divisor;
    at.within = group - run * divisor;
    at.row = run % period;
  }
  return at;
}

// `at` a turn of the workgroup further on, without a division: `step` is the place of group THREADS.
fn atAfter(walk: u32, at: At, step: At, divisor: u32, period: u32, tail: u32) -> At {
  var next = At(at.column + step.column, at.within + step.within, at.row + step.row);
  if (walk != 1u) { next.column -= select(0u, tail, next.column >= tail); }
  if (walk != 0u) {
    let over = next.within >= divisor;
    next.within -= select(0u, divisor, over);
    next.row += u32(over);
    next.row -= select(0u, period, next.row >= period);
  }
  return next;
}

fn readA(at: At) -> vec4f {
  if (A_WALK == 0u) { return vec4f(a[at.column]); }
  if (A_WALK == 1u) { return vec4f(f32(a[at.row / 4u][at.row % 4u])); }
  return vec4f(a[at.row * u.aTail + at.column]);
}

fn readB(at: At) -> vec4f {
  if (B_WALK == 0u) { return vec4f(b[at.column]); }
  if (B_WALK == 1u) { return vec4f(f32(b[at.row / 4u][at.row % 4u])); }
  return vec4f(b[at.row * u.bTail + at.column]);
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let span = spanOf(linearWorkgroup(workgroup, workgroups), u.share, u.groups);
  let stepA = At(u.aStepColumn, u.aStepWithin, u.aStepRow);
  let stepB = At(u.bStepColumn, u.bStepWithin, u.bStepRow);
  var atA = atOf(A_WALK, span.begin + lane, u.aDivisor, u.aPeriod, u.aTail);
  var atB = atOf(B_WALK, span.begin + lane, u.bDivisor, u.bPeriod, u.bTail);
  for (var group = span.begin + lane; group < span.end; group += THREADS) {
    out[group] = Vec4(operate(readA(atA), readB(atB)));
    atA = atAfter(A_WALK, atA, stepA, u.aDivisor, u.aPeriod, u.aTail);
    atB = atAfter(B_WALK, atB, stepB, u.bDivisor, u.bPeriod, u.bTail);
  }
}
