// How many neighboring elements a thread takes at a time: one here; width4.wgsl stands in where a dispatch says `width: 4`. An item is that
// many elements: an Item as activations are stored (common/storage.wgsl), a ResultItem as results are, a Number in float32, with which
// kernels compute, an Index in u32, a BitsItem as a bit pattern. Columns, channels and the like are counted in items.

// #include "common/storage.wgsl"
// #include "common/result.wgsl"

alias Item = Scalar;
alias ResultItem = Result;
alias Number = f32;
alias Index = u32;
alias BitsItem = Bits;
const WIDTH = 1u;

fn itemSum(value: Number) -> f32 {
  return value;
}

// The item of elements whose bit pattern `word` is, or holds twice.
fn bitsItem(word: u32) -> BitsItem {
  return bitsOf(word);
}

fn setPart(to: ptr<function, Number>, part: u32, value: f32) {
  *to = value;
}
