// The arithmetic of the binary family; OPERATION picks it at pipeline creation: 0 add, 1 sub, 2 mul, 3 div, 4 equal, 5 less, 6 less or equal (1 or 0).

override OPERATION: u32 = 0u;

fn operate(a: vec4f, b: vec4f) -> vec4f {
  switch (OPERATION) {
    case 0u: { return a + b; }
    case 1u: { return a - b; }
    case 2u: { return a * b; }
    case 3u: { return a / b; }
    case 4u: { return select(vec4f(0.0), vec4f(1.0), a == b); }
    case 5u: { return select(vec4f(0.0), vec4f(1.0), a < b); }
    default: { return select(vec4f(0.0), vec4f(1.0), a <= b); }
  }
}
