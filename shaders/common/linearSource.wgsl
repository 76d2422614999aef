// Where an output position of a linear resize reads, along one axis, exactly: numerator(at) / denominator is the source position
// clamped to the input, all in integers, so that forward and backward agree to the bit. `factor`, `shift`, `denominator` come from
// src/ops/upsample/axis.ts.

struct Axis { factor: i32, shift: i32, denominator: i32, input: i32, output: i32 }

fn numerator(axis: Axis, at: i32) -> i32 {
  return clamp(at * axis.factor + axis.shift, 0, (axis.input - 1) * axis.denominator);
}

// What output `at` takes of input `pixel`: a tent of one input pixel's width to each side.
fn tent(axis: Axis, at: i32, pixel: i32) -> f32 {
  return max(0.0, 1.0 - f32(abs(numerator(axis, at) - pixel * axis.denominator)) / f32(axis.denominator));
}

// Outputs [first, last] that may read input `pixel`; a few more than do, whose tent is zero.
fn readers(axis: Axis, pixel: i32) -> vec2i {
  var first = 0;
  var last = axis.output - 1;
  if (axis.factor > 0) {
    if (pixel > 0) { first = clamp(((pixel - 1) * axis.denominator - axis.shift) / axis.factor, 0, last); }
    if (pixel < axis.input - 1) { last = clamp(((pixel + 1) * axis.denominator - axis.shift) / axis.factor + 1, 0, last); }
  }
  return vec2i(first, last);
}
