// relu.wgsl over a Number (f32 or vec4f) and the Index of its width that the including kernel names, and its slope.

fn reluItem(x: Number) -> Number {
  return select(x, Number(0.0), (bitcast<Index>(x) ^ Index(0x80000000u)) <= Index(0x7f800000u));
}

// 0 up to 0, 1 above, and 1 for NaN, so that its gradient passes as in PyTorch: by the words. The same of x and of relu(x).
fn reluSlope(x: Number) -> Number {
  let words = bitcast<Index>(x);
  return select(Number(1.0), Number(0.0), (words == Index(0u)) | ((words ^ Index(0x80000000u)) <= Index(0x7f800000u)));
}
