// Where the pixels of conv2d/gatherSubgroup and conv2d/gatherLanes are, in vec4f, and the product that both add up. A file that includes this one
// has the uniforms of common/gatherProduct.wgsl and defines `quotient`: at / by of whole numbers, rounded toward zero or exact.

// Where output pixel number `pixel` of a phase is, and whether it is.
struct Place { x: i32, y: i32, image: u32, exists: bool }

fn placeOf(pixel: u32, phase: i32) -> Place {
  let x = phase % u.divideX + i32(pixel % u.phaseWidth) * u.divideX;
  let y = phase / u.divideX + i32((pixel / u.phaseWidth) % u.phaseHeight) * u.divideY;
  let image = pixel / (u.phaseWidth * u.phaseHeight);
  return Place(x, y, image, image < u.batch && x < i32(u.toWidth) && y < i32(u.toHeight));
}

// The source pixel under a tap (`tapX`, `tapY`: its offset) of an output pixel, in vec4f; negative where there is none.
fn baseOf(place: Place, tapX: i32, tapY: i32) -> i32 {
  let atX = place.x * u.multiplyX + tapX;
  let atY = place.y * u.multiplyY + tapY;
  let x = quotient(atX, u.divideX);
  let y = quotient(atY, u.divideY);
  let inside = place.exists && atX >= 0 && atY >= 0 && x < u.fromWidth && y < u.fromHeight;
  return select(-1, ((i32(place.image) * u.fromHeight + y) * u.fromWidth + x) * i32(u.fromChannels4), inside);
}

const NONE = 0xffffffffu;

fn targetOf(place: Place) -> u32 {
  return select(NONE, (place.image * u.toHeight + u32(place.y)) * u.toWidth + u32(place.x), place.exists);
}

// Adds the products of four channels; x holds them of one pixel, w0 to w3 their weights for four outputs.
fn plus(sum: vec4f, x: vec4f, w0: vec4f, w1: vec4f, w2: vec4f, w3: vec4f) -> vec4f {
  return sum + x.x * w0 + x.y * w1 + x.z * w2 + x.w * w3;
}
