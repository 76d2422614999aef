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

// x to the power of y. Whole exponents of up to 16 are products; those of others are even or odd for the sign of what is below 0.
fn powOf(x: vec4f, y: f32) -> vec4f {
  let magnitude = abs(y);
  let isWhole = magnitude == floor(magnitude);
  if (isWhole && magnitude <= 16.0) {
    var power = vec4f(1.0);
    var square = x;
    for (var left = u32(magnitude); left > 0u; left >>= 1u) {
      if ((left & 1u) == 1u) { power *= square; }
      square *= square;
    }
    return select(power, 1.0 / power, y < 0.0);
  }
  // exp(y log(x)) would lose as many digits as the exponent of x has: its power of 2 goes its own way, y in two parts by which it is exact.
  // -Infinity to a power that is not whole is as Infinity to it.
  let base = select(x, abs(x), vec4<bool>(isWhole) | (bitcast<vec4u>(x) == vec4u(0xff800000u)));
  let parts = splitOf(base);
  let finite = clamp(y, -1e30, 1e30);
  let high = bitcast<f32>(bitcast<u32>(finite) & 0xfffff000u);
  let whole = round(parts.power * high);
  let left = (parts.power * high - whole) + parts.power * (finite - high);
  let within = bitcast<vec4u>(base) - vec4u(1u) < vec4u(0x7f7fffffu);
  let rest = select(y * logOf(base), left * 0.6931471805599453 + finite * (parts.first + (parts.series - 0.5 * parts.square)), within);
  let power = expTimes(rest, select(vec4f(0.0), whole, within));
  let isOdd = magnitude - 2.0 * floor(0.5 * magnitude) == 1.0;
  return select(power, -power, (x < vec4f(0.0)) & vec4<bool>(isOdd));
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
    case 12u: { return softplus(x); }
    default: { return powOf(x, scale); }
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
    case 12u: { return sigmoidOf(x); }
    default: { return select(scale * powOf(x, scale - 1.0), vec4f(0.0), scale == 0.0); }
  }
}
