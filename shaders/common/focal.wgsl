// The focal form of binary cross entropy (Lin et al. 2017), over the Number of common/bce.wgsl:
//   q = 1 - p_t = t sigmoid(-z) + (1 - t) sigmoid(z),   focal loss = (ap t + an (1 - t)) q^gamma * cross entropy
// FOCAL off: the kernel computes plain cross entropy.

override FOCAL: bool = false;

// q, kept positive because 0 has no logarithm. z is clamped to ±80, beyond which float32 shows no change.
fn focalMiss(z: Number, t: Number) -> Number {
  let bounded = clamp(z, Number(-80.0), Number(80.0));
  return max(t * sigmoidOfMinus(bounded) + (1.0 - t) * sigmoidOfMinus(-bounded), Number(1e-36));
}

// (ap t + an (1 - t)) q^gamma
fn focalFactor(q: Number, t: Number, gamma: f32, alphaPositive: f32, alphaNegative: f32) -> Number {
  return (alphaPositive * t + alphaNegative * (1.0 - t)) * exp(gamma * log(q));
}
