// outRow.wgsl for rows of whole groups of four.

fn storeOut(at: u32, left: u32, value: vec4f) {
  out[at / 4u] = Result4(value);
}
