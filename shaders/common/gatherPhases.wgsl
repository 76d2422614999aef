// What the subgroup kernels conv2d/gatherSubgroup and conv2d/gatherLanes share beside the places of pixels: where a tap reads, in vec4f, and the product
// that is added up.

// #include "common/gatherPlaces.wgsl"

// An exact quotient of small whole numbers, in floats: software adapters divide integers lane by lane.
fn quotient(at: i32, by: i32) -> i32 {
  return i32(round(f32(at) / f32(by)));
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
