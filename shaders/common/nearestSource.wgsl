// Where an output position of a nearest-neighbor resize reads, along one axis: floor(at * scale), one correctly rounded float32 product,
// which is PyTorch's formula to the bit (scale = float32(input / output)).

fn nearestSource(at: u32, scale: f32, input: u32) -> u32 {
  return min(u32(floor(f32(at) * scale)), input - 1u);
}

// Outputs [first, end) that read input `pixel`: the exact quotients, corrected where float32 rounded across a whole number.
fn nearestReaders(pixel: u32, scale: f32, input: u32, output: u32) -> vec2u {
  var first = (pixel * output + input - 1u) / input;
  while (first > 0u && nearestSource(first - 1u, scale, input) >= pixel) { first--; }
  while (first < output && nearestSource(first, scale, input) < pixel) { first++; }
  var end = first;
  while (end < output && nearestSource(end, scale, input) == pixel) { end++; }
  return vec2u(first, end);
}
