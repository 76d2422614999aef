// What a row's label says: the row counts, or it is ignored (a negative label, or the one to be ignored), or the label is not a class. That one
// makes its row's loss and gradients NaN: counting nothing would give a smaller loss without a word. The lowest number is not a class either,
// since it is what a conversion makes of NaN.

const IGNORED = 0u;
const COUNTS = 1u;
const WRONG = 2u;

fn stateOf(label: i32, ignored: i32, classes: u32) -> u32 {
  if (label == ignored || (label < 0 && u32(label) != 0x80000000u)) { return IGNORED; }
  return select(WRONG, COUNTS, u32(label) < classes);
}

// NaN, made from any word: WGSL has no way to write it.
fn nanOf(word: u32) -> f32 {
  return bitcast<f32>(word | 0x7fc00000u);
}

// The logarithm of a row's sum of exponentials below its largest number: NaN where that is infinite, as in PyTorch.
fn logOfSum(sum: f32, largest: f32) -> f32 {
  let isNan = (bitcast<u32>(sum) & 0x7fffffffu) > 0x7f800000u;
  return select(log(sum), nanOf(bitcast<u32>(largest)), isNan || bitcast<u32>(largest) == 0x7f800000u);
}
