// Where an output position of a linear resize reads, along one axis, exactly: numerator(at) / denominator is the source position
// clamped to the input, all in integers, so that forward and backward agree to the bit. `factor`, `shift`, `denominator` come from
// src/engine/ops/upsample/axis.ts.

struct Axis { factor: i32, shift: i32, denominator: i32, input: i32, output: i32 }

fn numerator(axis: Axis, at: i32) -> i32 {
  return clamp(at * axis.factor + axis.shift, 0, (axis.input - 1) * axis.denominator);
}

// The weight of input `pixel` in output `at`: a tent of one input pixel's width to each side.
fn tent(axis: Axis, at: i32, pixel: i32) -> f32 {
  return max(0.0, 1.0 - f32(abs(numerator(axis, at) - pixel * axis.denominator)) / f32(axis.denominator));
}

// Outputs [first, last] whose tent at input `pixel` is not zero: those strictly between its neighbors (all on a border's outer side, where
// positions are clamped). May be empty when shrinking: last < first.
fn readers(axis: Axis, pixel: i32) -> vec2i {
  var first = 0;
  var last = axis.output - 1;
  if (axis.factor > 0) {
    let below = (pixel - 1) * axis.denominator - axis.shift;
    let above = (pixel + 1) * axis.denominator - axis.shift;
    if (pixel > 0 && below >= 0) { first = below / axis.factor + 1; }
    if (pixel < axis.input - 1) { last = min(last, (above + axis.factor - 1) / axis.factor - 1); }
  }
  return vec2i(first, last);
}
