// The exact (erf) GELU x * P(x), P the normal distribution, and its derivative P(x) + x * p(x), p the normal density.

// #include "common/erf.wgsl"

struct ValueAndSlope { value: vec4f, slope: vec4f }

fn geluWithSlope(x: vec4f) -> ValueAndSlope {
  let distribution = 0.5 * (1.0 + erf(x * 0.7071067811865476));
  return ValueAndSlope(x * distribution, distribution + x * 0.3989422804014327 * exp(-0.5 * x * x));
}
