// Uniforms of the kernel that puts a box into a constant tensor (movement/unslice.wgsl), and where in the
// box an index of the result lies.
//
// The result is a grid of up to five axes of rows of `inner` items. Along each axis the box takes `count` indices, from `start` on, `step` apart.
// In the box the rows lie one after another, each `count` items long. `fill` is what is outside, as a bit pattern.

struct Uniforms {
  rows: u32, inner: u32, lanes: u32, fill: u32,
  extent1: u32, extent2: u32, extent3: u32, extent4: u32,
  start0: u32, start1: u32, start2: u32, start3: u32, start4: u32,
  count0: u32, count1: u32, count2: u32, count3: u32, count4: u32,
  step0: u32, step1: u32, step2: u32, step3: u32, step4: u32,
  start: u32, count: u32, step: u32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;

const NONE = 0xffffffffu;

// Which index of the box index i of the result is, NONE where it is outside. Software adapters divide lane by lane, so steps of 1 do not.
fn along(i: u32, start: u32, count: u32, step: u32) -> u32 {
  if (i < start) { return NONE; }
  var at = i - start;
  if (step != 1u) {
    let whole = at / step;
    if (whole * step != at) { return NONE; }
    at = whole;
  }
  return select(NONE, at, at < count);
}

// Takes the index along an axis off the end of a row's number. An axis of one index costs no division.
fn takeIndex(rest: ptr<function, u32>, extent: u32) -> u32 {
  if (extent == 1u) { return 0u; }
  let whole = *rest / extent;
  let i = *rest - whole * extent;
  *rest = whole;
  return i;
}

// Which row of the box a row of the result is, NONE where it is outside.
fn boxRow(row: u32) -> u32 {
  var rest = row;
  let i4 = along(takeIndex(&rest, u.extent4), u.start4, u.count4, u.step4);
  let i3 = along(takeIndex(&rest, u.extent3), u.start3, u.count3, u.step3);
  let i2 = along(takeIndex(&rest, u.extent2), u.start2, u.count2, u.step2);
  let i1 = along(takeIndex(&rest, u.extent1), u.start1, u.count1, u.step1);
  let i0 = along(rest, u.start0, u.count0, u.step0);
  if (max(max(max(i0, i1), max(i2, i3)), i4) == NONE) { return NONE; }
  return (((i0 * u.count1 + i1) * u.count2 + i2) * u.count3 + i3) * u.count4 + i4;
}
