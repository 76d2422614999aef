// Four columns of a row of any length, of which `left` are left: element by element, since two threads may not store to one vec4f.
// outRow4.wgsl stands in where rows are whole groups of four.

fn storeOut(at: u32, left: u32, value: vec4f) {
  out[at] = Result(value.x);
  if (left > 1u) { out[at + 1u] = Result(value.y); }
  if (left > 2u) { out[at + 2u] = Result(value.z); }
  if (left > 3u) { out[at + 3u] = Result(value.w); }
}
