// The exact (erf) GELU x * P(x), P the normal distribution, and its derivative P(x) + x * p(x), p the normal density.
//
// One exponential for both: the tail 1 - P(z) = bell * (a polynomial in t = 1 / (1 + 0.4 z / sqrt 2)), z = |x|, bell = exp(-z² / 2), the form
// of Abramowitz and Stegun 7.1.26. The six coefficients are a least-squares fit made for this file in double precision, to 3e-8;
// in float32 P is good to 2e-7, x P to 4e-7. Beyond 14 the tail is 0 in float32.

struct ValueAndSlope { value: vec4f, slope: vec4f }

fn geluWithSlope(x: vec4f) -> ValueAndSlope {
  let z = min(abs(x), vec4f(14.0));
  let bell = exp(-0.5 * z * z);
  let t = 1.0 / (1.0 + 0.28284271247461906 * z);
  let tail = 0.5 * bell * t * (0.23192115128040314 + t * (0.16182953119277954 + t * (0.46825918555259705
    + t * (-0.37088924646377563 + t * (0.7091357111930847 + t * -0.2002563774585724)))));
  let distribution = select(tail, 1.0 - tail, x >= vec4f(0.0));
  return ValueAndSlope(x * distribution, distribution + x * 0.3989422804014327 * bell);
}

// What goes into gelu where it is stored in float16: no less than its least number, where gelu and its slope are 0. For -infinity they would be NaN.
fn aboveLeast(x: vec4f) -> vec4f {
  return select(x, vec4f(-65504.0), vec4<bool>(HALF) & (x < vec4f(-65504.0)));
}
