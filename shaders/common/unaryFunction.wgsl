// The functions of the unary family and their derivatives; FUNCTION picks one at pipeline creation, in the order of
// UNARY_NAMES in src/ops/unary/program.ts. `scale` and `shift` serve the affine function alone.

override FUNCTION: u32 = 0u;

// erf to 1.5e-7 absolute (float32 rounding included): least-squares Chebyshev fits of erf(x)/x in x^2 on [0, 1] and of
// log(erfc(x)) on [1, 4]; made and measured for this file in double precision. Beyond 4, erf is 1 in float32.
fn erf(value: vec4f) -> vec4f {
  let x = min(abs(value), vec4f(4.0));
  let s = x * x;
  let small = x * (1.1283791065216064 + s * (-0.3761262595653534 + s * (0.11283597350120544 + s * (-0.02685432881116867
    + s * (0.005189312156289816 + s * (-0.0008018855005502701 + s * 7.882497448008507e-05))))));
  let exponent = -0.0007569686276838183 + x * (-1.125925898551941 + x * (-0.6390933394432068 + x * (-0.10331898182630539
    + x * (0.022621985524892807 + x * (-0.0034368676133453846 + x * (0.0003175720339640975 + x * -1.330939085164573e-05))))));
  let large = 1.0 - exp(exponent);
  return sign(value) * select(large, small, x <= vec4f(1.0));
}

// tanh with a clamped argument: some drivers compute it from exp and overflow for large ones.
fn tanhSafe(value: vec4f) -> vec4f {
  return tanh(clamp(value, vec4f(-10.0), vec4f(10.0)));
}

fn sigmoid(x: vec4f) -> vec4f {
  return 1.0 / (1.0 + exp(-clamp(x, vec4f(-80.0), vec4f(80.0))));
}

const SQRT_HALF = 0.7071067811865476;
const INVERSE_SQRT_TWO_PI = 0.3989422804014327;
const SQRT_TWO_OVER_PI = 0.7978845608028654;
const GELU_CUBIC = 0.044715;

fn unary(x: vec4f, scale: f32, shift: f32) -> vec4f {
  switch (FUNCTION) {
    case 0u: { return 0.5 * x * (1.0 + erf(x * SQRT_HALF)); }
    case 1u: { return 0.5 * x * (1.0 + tanhSafe(SQRT_TWO_OVER_PI * (x + GELU_CUBIC * x * x * x))); }
    case 2u: { return max(x, vec4f(0.0)); }
    case 3u: { return x * sigmoid(x); }
    case 4u: { return sigmoid(x); }
    case 5u: { return tanhSafe(x); }
    case 6u: { return exp(x); }
    case 7u: { return log(x); }
    case 8u: { return scale * x + shift; }
    case 9u: { return sqrt(x); }
    default: { return x * x; }
  }
}

fn unaryDerivative(x: vec4f, scale: f32) -> vec4f {
  switch (FUNCTION) {
    case 0u: { return 0.5 * (1.0 + erf(x * SQRT_HALF)) + x * INVERSE_SQRT_TWO_PI * exp(-0.5 * x * x); }
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
    default: { return 2.0 * x; }
  }
}
