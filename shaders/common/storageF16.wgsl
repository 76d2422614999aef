// storage.wgsl in float16. WGSL leaves open which way a conversion from float32 rounds, and what becomes of numbers over 65,504:
// the devices known give the nearest, and infinity, which the loss scaler looks for.

alias Scalar = f16;
alias Vec4 = vec4<f16>;
alias Bits = f16;
alias Bits4 = vec2<u32>;
const HALF = true;

// The element whose bit pattern is `word`, or half of it. By way of float32, which holds every one (a device may make 0 of those below 2^-14):
// Firefox does not know bitcast<vec2<f16>>(u32).
fn bitsOf(word: u32) -> Bits {
  return f16(unpack2x16float(word).x);
}
