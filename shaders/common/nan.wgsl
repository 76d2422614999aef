// NaN by its bits, over a Number (f32 or vec4f) and the Index of its width that the including kernel names: WGSL may assume that there is none,
// and min, max and clamp may give the other operand.

// `value`, or x where x is NaN.
fn keepNan(x: Number, value: Number) -> Number {
  return select(value, x, (bitcast<Index>(x) & Index(0x7fffffffu)) > Index(0x7f800000u));
}

// exp and log, which on some devices (SwiftShader) give a number for NaN.
fn expKept(x: Number) -> Number {
  return keepNan(x, exp(x));
}

fn logKept(x: Number) -> Number {
  return keepNan(x, log(x));
}

// The larger of both, NaN where either is (torch.amax).
fn largerOf(best: Number, x: Number) -> Number {
  return keepNan(best, keepNan(x, max(best, x)));
}
