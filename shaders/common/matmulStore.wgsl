// The end of every matrix product kernel: out = f(sum + bias) and, with an activation f, the sum before it in pre (backward
// reads it). Wants the uniforms m, n, hasBias, writesPre and relu, and the bindings bias, out and pre of the kernel.
// Only gelu is chosen at pipeline creation; the rest are uniforms: few pipelines, each costs up to a second to
// compile on software adapters. Scalar stores: rows of any length, and stores are one k-th of the work.

// #include "common/erf.wgsl"

override GELU: bool = false;

fn activate(x: vec4f) -> vec4f {
  if (GELU) { return 0.5 * x * (1.0 + erf(x * 0.7071067811865476)); }
  return select(x, max(x, vec4f(0.0)), u.relu != 0u);
}

// Columns column .. column + 3 of one row below u.m; those at or past u.n are left out.
fn store(z: u32, row: u32, column: u32, sum: vec4f) {
  if (column >= u.n) { return; }
  let count = min(4u, u.n - column);
  var value = sum;
  if (u.hasBias != 0u) {
    let last = u.n - 1u;
    value += vec4f(bias[column], bias[min(column + 1u, last)], bias[min(column + 2u, last)], bias[min(column + 3u, last)]);
  }
  let result = activate(value);
  let at = (z * u.m + row) * u.n + column;
  for (var i = 0u; i < count; i++) { out[at + i] = result[i]; }
  if (u.writesPre != 0u) {
    for (var i = 0u; i < count; i++) { pre[at + i] = value[i]; }
  }
}
