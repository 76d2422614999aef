// The functions of the unary family and their derivatives; FUNCTION picks one at pipeline creation, in the order of
// UNARY_NAMES in src/engine/ops/unary/attributes.ts. `scale` and `shift` serve the affine function alone.

override FUNCTION: u32 = 0u;

// #include "common/gelu.wgsl"

// tanh with a clamped argument: some drivers compute it from exp and overflow for large ones.
fn tanhSafe(value: vec4f) -> vec4f {
  return tanh(clamp(value, vec4f(-10.0), vec4f(10.0)));
}

fn sigmoid(x: vec4f) -> vec4f {
  return 1.0 / (1.0 + exp(-clamp(x, vec4f(-80.0), vec4f(80.0))));
}

// log(1 + exp(x)). Where exp(-|x|) is small, adding it to 1 would round it away; the series keeps it.
fn softplus(x: vec4f) -> vec4f {
  let e = exp(-min(abs(x), vec4f(80.0)));
  let series = e * (1.0 - e * (0.5 - e * (0.33333334 - 0.25 * e)));
  return max(x, vec4f(0.0)) + select(log(1.0 + e), series, e < vec4f(0.01));
}

const SQRT_TWO_OVER_PI = 0.7978845608028654;
const GELU_CUBIC = 0.044715;

fn unary(x: vec4f, scale: f32, shift: f32) -> vec4f {
  switch (FUNCTION) {
    case 0u: { return geluWithSlope(x).value; }
    case 1u: { return 0.5 * x * (1.0 + tanhSafe(SQRT_TWO_OVER_PI * (x + GELU_CUBIC * x * x * x))); }
    case 2u: { return max(x, vec4f(0.0)); }
    case 3u: { return x * sigmoid(x); }
    case 4u: { return sigmoid(x); }
    case 5u: { return tanhSafe(x); }
    case 6u: { return exp(x); }
    case 7u: { return log(x); }
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
      let t = tanhSafe(SQRT_TWO_OVER_PI * (x + GELU_CUBIC * x * x * x));
      return 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * SQRT_TWO_OVER_PI * (1.0 + 3.0 * GELU_CUBIC * x * x);
    }
    case 2u: { return select(vec4f(0.0), vec4f(1.0), x > vec4f(0.0)); }
    case 3u: { let s = sigmoid(x); return s * (1.0 + x * (1.0 - s)); }
    case 4u: { let s = sigmoid(x); return s * (1.0 - s); }
    case 5u: { let t = tanhSafe(x); return 1.0 - t * t; }
    case 6u: { return exp(x); }
    case 7u: { return 1.0 / x; }
    case 8u: { return vec4f(scale); }
    case 9u: { return 0.5 / sqrt(x); }
    case 10u: { return 2.0 * x; }
    case 11u: { return sign(x); }
    default: { return sigmoid(x); }
  }
}
