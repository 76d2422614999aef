// What a product's last steps read and write of four columns of a row of any length, of which `left` are left: element by element.
// productRow4.wgsl stands in where rows are whole groups of four. Past a row's end the last element is read again; it is not stored.

fn biasAt(column: u32) -> vec4f {
  let last = u.n - 1u;
  return vec4f(bias[column], bias[min(column + 1u, last)], bias[min(column + 2u, last)], bias[min(column + 3u, last)]);
}

fn scaleAt(column: u32) -> vec4f {
  let last = u.n - 1u;
  return vec4f(scale[column], scale[min(column + 1u, last)], scale[min(column + 2u, last)], scale[min(column + 3u, last)]);
}

fn sideAt(at: u32, left: u32) -> vec4f {
  let last = at + min(left, 4u) - 1u;
  return vec4f(f32(side[at]), f32(side[min(at + 1u, last)]), f32(side[min(at + 2u, last)]), f32(side[last]));
}

fn storeKept(at: u32, left: u32, value: vec4f) {
  kept[at] = Scalar(value.x);
  if (left > 1u) { kept[at + 1u] = Scalar(value.y); }
  if (left > 2u) { kept[at + 2u] = Scalar(value.z); }
  if (left > 3u) { kept[at + 3u] = Scalar(value.w); }
}
