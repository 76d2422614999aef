// The functions of the unary family and their derivatives; FUNCTION picks one at pipeline creation, in the order of
// UNARY_NAMES in src/engine/ops/unary/attributes.ts. `scale` and `shift` serve the affine function alone.

override FUNCTION: u32 = 0u;

// #include "common/gelu.wgsl"

alias Number = vec4f;
alias Index = vec4u;

// #include "common/elementary.wgsl"
// #include "common/reluItem.wgsl"

// log(1 + exp(x)), which for large x is x.
fn softplus(x: vec4f) -> vec4f {
  return reluItem(x) + logOnePlus(expOf(-abs(x)));
}

const SQRT_TWO_OVER_PI = 0.7978845608028654;
const GELU_CUBIC = 0.044715;

// Twice the argument of the tanh: 0.5 (1 + tanh(u)) is the sigmoid of 2 u, which does not cancel where tanh is nearly -1.
fn geluArgument(x: vec4f) -> vec4f {
  return 2.0 * SQRT_TWO_OVER_PI * (x + GELU_CUBIC * x * x * x);
}

fn unary(x: vec4f, scale: f32, shift: f32) -> vec4f {
  switch (FUNCTION) {
    case 0u: { return geluWithSlope(x).value; }
    case 1u: { return x * sigmoidOf(geluArgument(x)); }
    case 2u: { return reluItem(x); }
    case 3u: { return x * sigmoidOf(x); }
    case 4u: { return sigmoidOf(x); }
    case 5u: { return tanhOf(x); }
    case 6u: { return expOf(x); }
    case 7u: { return logOf(x); }
    case 8u: { return scale * x + shift; }
    case 9u: { return sqrt(x); }
    case 10u: { return x * x; }
    case 11u: { return abs(x); }
    default: { return softplus(x); }
  }
}

fn unaryDerivative(x: vec4f, scale: f32) -> vec4f {
  switch (FUNCTION) {
    case 0u: { return geluWithSlope(x).slope; }
    case 1u: {
      let s = sigmoidOf(geluArgument(x));
      let rest = sigmoidOf(-geluArgument(x));
      return s + x * s * rest * 2.0 * SQRT_TWO_OVER_PI * (1.0 + 3.0 * GELU_CUBIC * x * x);
    }
    case 2u: { return reluSlope(x); }
    case 3u: { let s = sigmoidOf(x); return s * (1.0 + x * (1.0 - s)); }
    case 4u: { let s = sigmoidOf(x); return s * (1.0 - s); }
    case 5u: { let t = tanhOf(x); return 1.0 - t * t; }
    case 6u: { return expOf(x); }
    case 7u: { return 1.0 / x; }
    case 8u: { return vec4f(scale); }
    case 9u: { return 0.5 / sqrt(x); }
    case 10u: { return 2.0 * x; }
    case 11u: { return keepNan(x, sign(x)); }
    default: { return sigmoidOf(x); }
  }
}
