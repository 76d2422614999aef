// The maximum and the sum of exponentials of a row in one walk over it, one exponential per number (Milakov and Gimelshein 2018), over a
// Number (f32 or vec4f) that the including kernel names.

// #include "common/nan.wgsl"

struct Peak { largest: Number, sum: Number }

// The peak of an empty row.
const NO_PEAK = Peak(Number(-3.0e38), Number(0.0));

// sum = the sum of exp(x - largest), with one more x.
fn absorb(peak: Peak, x: Number) -> Peak {
  let rise = x - peak.largest;
  let e = expKept(-abs(rise));
  let higher = rise > Number(0.0);
  return Peak(select(peak.largest, x, higher), select(peak.sum + e, peak.sum * e + 1.0, higher));
}
