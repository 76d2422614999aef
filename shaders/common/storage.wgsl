// The element type of a kernel's activations (and of the products' weights): float32 here; storageF16.wgsl stands in where a dispatch
// says `storage: 'f16'`. Storage only: load with vec4f(x[i]) or f32(x[i]), compute in float32, store with Vec4(value) or Scalar(value).
// Bits and Bits4 are for moving without computing: one element and a group of four as a bit pattern.

alias Scalar = f32;
alias Vec4 = vec4<f32>;
alias Bits = u32;
alias Bits4 = vec4<u32>;
const HALF = false;

// The element whose bit pattern is `word`, or half of it.
fn bitsOf(word: u32) -> Bits {
  return word;
}
