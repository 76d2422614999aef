// width.wgsl with four elements per item.

// #include "common/storage.wgsl"
// #include "common/result.wgsl"

alias Item = Vec4;
alias ResultItem = Result4;
alias Number = vec4f;
alias Index = vec4u;
alias BitsItem = Bits4;
const WIDTH = 4u;

fn itemSum(value: Number) -> f32 {
  return dot(value, vec4f(1.0));
}

fn bitsItem(word: u32) -> BitsItem {
  return BitsItem(word);
}

fn setPart(to: ptr<function, Number>, part: u32, value: f32) {
  (*to)[part] = value;
}
