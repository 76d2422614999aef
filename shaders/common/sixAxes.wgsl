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
