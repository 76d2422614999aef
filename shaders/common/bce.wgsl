// The pieces of binary cross entropy and its focal form, over a Number (f32 or vec4f) that the including kernel names:
//   q = 1 - p_t = t sigmoid(-z) + (1 - t) sigmoid(z),   focal loss = (ap t + an (1 - t)) q^gamma * cross entropy
// (Lin et al. 2017). FOCAL off: neither is computed.

override FOCAL: bool = false;

// log(1 + exp(-z)). Where exp(-|z|) is small, 1 + it would round it away: the series keeps it.
fn softplusOfMinus(z: Number) -> Number {
  let e = exp(-abs(z));
  let series = e * (1.0 - e * (0.5 - e * (0.33333334 - 0.25 * e)));
  return max(-z, Number(0.0)) + select(log(1.0 + e), series, e < Number(0.01));
}

// 1 / (1 + exp(z)) without overflow.
fn sigmoidOfMinus(z: Number) -> Number {
  let e = exp(-abs(z));
  return select(Number(1.0), e, z >= Number(0.0)) / (1.0 + e);
}

// q, kept in the normal numbers: beyond |z| = 80 nothing changes that float32 could show, and 0 has no logarithm.
fn focalMiss(z: Number, t: Number) -> Number {
  let bounded = clamp(z, Number(-80.0), Number(80.0));
  return max(t * sigmoidOfMinus(bounded) + (1.0 - t) * sigmoidOfMinus(-bounded), Number(1e-36));
}

// (ap t + an (1 - t)) q^gamma
fn focalFactor(q: Number, t: Number, gamma: f32, alphaPositive: f32, alphaNegative: f32) -> Number {
  return (alphaPositive * t + alphaNegative * (1.0 - t)) * exp(gamma * log(q));
}
