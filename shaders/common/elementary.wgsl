// exp, log, tanh and their like to a unit or two in the last place everywhere, over a Number (f32 or vec4f) and the Index of its width that
// the including kernel names. WGSL allows exp an error that grows with |x|, log and tanh an absolute one that swallows small results, and
// drivers use that: lavapipe's log(0.999221) was off by 1.5e-4 of itself, its tanh(1e-9) 3e-8. Reductions and polynomials are those of the
// Cephes library (Moshier, expf, logf, tanhf). NaN and infinity come out as C's do.

// #include "common/nan.wgsl"

// 2^k for whole k from -126 to 127.
fn powerOfTwo(k: Number) -> Number {
  return bitcast<Number>(Index(k + 127.0) << Index(23u));
}

fn expOf(x: Number) -> Number {
  return expTimes(x, Number(0.0));
}

// exp(x) 2^k for whole k.
fn expTimes(x: Number, k: Number) -> Number {
  let bounded = clamp(x, Number(-104.0), Number(89.0));
  let n = round(bounded * 1.4426950408889634);
  // n * 0.693359375 is exact, and so is the first difference: ln 2 in two parts.
  let r = (bounded - n * 0.693359375) + n * 2.12194440054690583e-4;
  let series = ((((1.9875691500e-4 * r + 1.3981999507e-3) * r + 8.3334519073e-3) * r + 4.1665795894e-2) * r
    + 1.6666665459e-1) * r + 5.0000001201e-1;
  // What is beyond these overflows, or comes to nothing.
  let power = clamp(n + k, Number(-252.0), Number(254.0));
  let half = floor(0.5 * power);
  return keepNan(x, ((series * r * r + r + 1.0) * powerOfTwo(half)) * powerOfTwo(power - half));
}

// A positive number as a power of 2 times one from sqrt(1/2) to sqrt(2), of which `first` + (`series` - `square` / 2) is the
// logarithm.
struct Split { power: Number, first: Number, series: Number, square: Number }

fn splitOf(x: Number) -> Split {
  let given = bitcast<Index>(x);
  // A subnormal number is its bits, as a whole number, times 2^-149: devices may take it itself for 0.
  let tiny = (given & Index(0x7f800000u)) == Index(0u);
  let bits = select(given, bitcast<Index>(Number(given & Index(0x007fffffu))), tiny);
  let mantissa = bitcast<Number>((bits & Index(0x007fffffu)) | Index(0x3f000000u));
  let low = mantissa < Number(0.70710678);
  let power = Number(bits >> Index(23u)) - select(Number(126.0), Number(275.0), tiny) - select(Number(0.0), Number(1.0), low);
  let f = select(mantissa - 1.0, (mantissa - 0.5) + (mantissa - 0.5), low);
  let square = f * f;
  let series = ((((((((7.0376836292e-2 * f - 1.1514610310e-1) * f + 1.1676998740e-1) * f - 1.2420140846e-1) * f
    + 1.4249322787e-1) * f - 1.6668057665e-1) * f + 2.0000714765e-1) * f - 2.4999993993e-1) * f + 3.3333331174e-1) * f * square;
  return Split(power, f, series, square);
}

fn logOf(x: Number) -> Number {
  let parts = splitOf(x);
  let value = (parts.first + ((parts.series - parts.power * 2.12194440054690583e-4) - 0.5 * parts.square)) + parts.power * 0.693359375;
  let bits = bitcast<Index>(x);
  // 0, below 0, infinity and NaN.
  let zero = (bits & Index(0x7fffffffu)) == Index(0u);
  let below = (bits > Index(0x80000000u)) & (bits <= Index(0xff800000u));
  let special = bitcast<Number>(select(select(bits, Index(0x7fc00000u), below), Index(0xff800000u), zero));
  return select(special, value, bits - Index(1u) < Index(0x7f7fffffu));
}

// log(1 + e) for e from 0 to 1, as 2 atanh(e / (2 + e)): 1 + e would lose the digits of a small e, and drivers may cancel a correction.
fn logOnePlus(e: Number) -> Number {
  let s = e / (2.0 + e);
  let square = s * s;
  let series = ((((((square * 6.6666667e-2 + 7.6923077e-2) * square + 9.0909091e-2) * square + 1.1111111e-1) * square
    + 1.4285714e-1) * square + 0.2) * square + 3.3333333e-1) * square;
  return 2.0 * (s + s * series);
}

fn tanhOf(x: Number) -> Number {
  let square = x * x;
  let series = ((((-5.70498872745e-3 * square + 2.06390887954e-2) * square - 5.37397155531e-2) * square + 1.33314422036e-1)
    * square - 3.33332819422e-1) * square * x + x;
  let far = 1.0 - 2.0 / (expOf(2.0 * abs(x)) + 1.0);
  return keepNan(x, select(select(far, -far, x < Number(0.0)), series, abs(x) < Number(0.625)));
}

fn sigmoidOf(x: Number) -> Number {
  let e = expOf(-abs(x));
  return select(e, Number(1.0), x >= Number(0.0)) / (1.0 + e);
}
