// max(x, 0) that keeps NaN. WGSL's max may give either operand then, and may assume that there is no NaN: the sign and what comes after it
// are compared as integers. Negative numbers, -0 and -infinity among them, are 0x80000000 to 0xff800000; NaN of either sign is not.

fn relu(x: f32) -> f32 {
  return select(x, 0.0, (bitcast<u32>(x) ^ 0x80000000u) <= 0x7f800000u);
}

fn relu4(x: vec4f) -> vec4f {
  return select(x, vec4f(0.0), (bitcast<vec4u>(x) ^ vec4u(0x80000000u)) <= vec4u(0x7f800000u));
}
