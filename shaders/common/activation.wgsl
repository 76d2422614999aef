// The activations a matrix product can end in; ACTIVATION picks one at pipeline creation, in the order of ACTIVATIONS in
// src/ops/matmul/geometry.ts: 0 none, 1 relu, 2 gelu (exact).

// #include "common/erf.wgsl"

override ACTIVATION: u32 = 0u;

fn activate(x: vec4f) -> vec4f {
  switch (ACTIVATION) {
    case 0u: { return x; }
    case 1u: { return max(x, vec4f(0.0)); }
    default: { return 0.5 * x * (1.0 + erf(x * 0.7071067811865476)); }
  }
}
