// storage.wgsl in float16. WGSL leaves open which way a conversion from float32 rounds, and what becomes of numbers over 65,504:
// the devices known give the nearest, and infinity, which the loss scaler looks for.

alias Scalar = f16;
alias Vec4 = vec4<f16>;
alias Bits = f16;
alias Bits4 = vec2<u32>;
const HALF = true;

// The element whose bit pattern is `word`, or half of it.
fn bitsOf(word: u32) -> Bits {
  return bitcast<vec2<f16>>(word).x;
}
