// Where the pixels of a phase are, and how a group of four outputs of one is stored.

// #include "common/relu.wgsl"

struct Place {
  x: i32,
  y: i32,
  image: u32,
  exists: bool,
}

fn placeOf(pixel: u32, phaseX: i32, phaseY: i32) -> Place {
  let x = phaseX + i32(pixel % u.phaseWidth) * u.divideX;
  let y = phaseY + i32((pixel / u.phaseWidth) % u.phaseHeight) * u.divideY;
  let image = pixel / (u.phaseWidth * u.phaseHeight);
  return Place(x, y, image, image < u.batch && x < i32(u.toWidth) && y < i32(u.toHeight));
}

// The last steps of a sum that has its bias, to be stored at `at`.
fn finish(at: u32, sum: vec4f) {
  var value = sum;
  if (u.relu != 0u) { value = relu4(value); }
  if (u.hasAddend != 0u) { value += vec4f(addend[at]); }
  out[at] = Vec4(value);
}

fn store(pixel: u32, phaseX: i32, phaseY: i32, column: u32, sum: vec4f) {
  let place = placeOf(pixel, phaseX, phaseY);
  if (!place.exists || column >= u.toChannels4) { return; }
  var value = sum;
  if (u.hasBias != 0u) { value += bias[column % u.biasChannels4]; }
  finish(((place.image * u.toHeight + u32(place.y)) * u.toWidth + u32(place.x)) * u.toChannels4 + column, value);
}
