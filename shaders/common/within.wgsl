// Which lanes of group i lie within `size` elements: all but in a last, partial group.
fn within(i: u32, size: u32) -> vec4<bool> {
  return vec4u(4u * i) + vec4u(0u, 1u, 2u, 3u) < vec4u(size);
}
