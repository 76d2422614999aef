// Whether a group of four has all of its elements, where `left` are left: known beforehand where a tensor's elements are whole groups (WHOLE 1),
// and then the store needs no branch, which costs a software adapter an eighth of the kernel.

override WHOLE: u32 = 0u;

fn isWhole(left: u32) -> bool {
  return WHOLE == 1u || left >= 4u;
}
