// The arithmetic of the binary family; OPERATION picks it at pipeline creation: 0 add, 1 sub, 2 mul, 3 div.

override OPERATION: u32 = 0u;

fn operate(a: vec4f, b: vec4f) -> vec4f {
  switch (OPERATION) {
    case 0u: { return a + b; }
    case 1u: { return a - b; }
    case 2u: { return a * b; }
    default: { return a / b; }
  }
}
