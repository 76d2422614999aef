// The place of an item in a grid of AXES axes, up to six, row-major. The last ones are used: with two axes the item is at (i4, i5), and the
// others are 0. As many divisions as axes but one, since software adapters divide lane by lane.

override AXES: u32 = 6u;

struct Place { i0: u32, i1: u32, i2: u32, i3: u32, i4: u32, i5: u32 }

fn placeOf(item: u32) -> Place {
  var at = Place(0u, 0u, 0u, 0u, 0u, item);
  if (AXES > 1u) { at.i4 = at.i5 / u.extent5; at.i5 -= at.i4 * u.extent5; }
  if (AXES > 2u) { at.i3 = at.i4 / u.extent4; at.i4 -= at.i3 * u.extent4; }
  if (AXES > 3u) { at.i2 = at.i3 / u.extent3; at.i3 -= at.i2 * u.extent3; }
  if (AXES > 4u) { at.i1 = at.i2 / u.extent2; at.i2 -= at.i1 * u.extent2; }
  if (AXES > 5u) { at.i0 = at.i1 / u.extent1; at.i1 -= at.i0 * u.extent1; }
  return at;
}

// The place of the item that a workgroup's thread takes next, without a division: each axis carries into the one before it. step0 to step5 are the place
// that it comes to from the first item (axisFields in src/engine/ops/elementwise.ts).
fn placeAfter(at: Place) -> Place {
  var next = Place(at.i0 + u.step0, at.i1 + u.step1, at.i2 + u.step2, at.i3 + u.step3, at.i4 + u.step4, at.i5 + u.step5);
  if (AXES > 1u) { let over = next.i5 >= u.extent5; next.i5 -= select(0u, u.extent5, over); next.i4 += u32(over); }
  if (AXES > 2u) { let over = next.i4 >= u.extent4; next.i4 -= select(0u, u.extent4, over); next.i3 += u32(over); }
  if (AXES > 3u) { let over = next.i3 >= u.extent3; next.i3 -= select(0u, u.extent3, over); next.i2 += u32(over); }
  if (AXES > 4u) { let over = next.i2 >= u.extent2; next.i2 -= select(0u, u.extent2, over); next.i1 += u32(over); }
  if (AXES > 5u) { let over = next.i1 >= u.extent1; next.i1 -= select(0u, u.extent1, over); next.i0 += u32(over); }
  return next;
}
