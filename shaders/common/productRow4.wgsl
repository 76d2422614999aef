// productRow.wgsl for rows of whole groups of four.

fn biasAt(column: u32) -> vec4f {
  return bias[column / 4u];
}

fn scaleAt(column: u32) -> vec4f {
  return scale[column / 4u];
}

fn sideAt(at: u32, left: u32) -> vec4f {
  return vec4f(side[at / 4u]);
}

fn storeKept(at: u32, left: u32, value: vec4f) {
  kept[at / 4u] = Vec4(value);
}
