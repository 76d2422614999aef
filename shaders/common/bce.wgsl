// The pieces of binary cross entropy over a Number (f32 or vec4f) that the including kernel names.

// #include "common/nan.wgsl"

// log(1 + exp(-z)). Where exp(-|z|) is small, adding it to 1 would round it away; the series keeps it.
fn softplusOfMinus(z: Number) -> Number {
  let e = expKept(-abs(z));
  let series = e * (1.0 - e * (0.5 - e * (0.33333334 - 0.25 * e)));
  return max(-z, Number(0.0)) + select(logKept(1.0 + e), series, e < Number(0.01));
}

// 1 / (1 + exp(z)) without overflow.
fn sigmoidOfMinus(z: Number) -> Number {
  let e = expKept(-abs(z));
  return select(Number(1.0), e, z >= Number(0.0)) / (1.0 + e);
}
