// The number if it is wanted, else 0: on SwiftShader an instruction for each of the four, where select() takes twelve.
fn only(value: vec4f, isWanted: bool) -> vec4f {
  return bitcast<vec4f>(bitcast<vec4u>(value) & vec4u(select(0u, 0xffffffffu, isWanted)));
}
