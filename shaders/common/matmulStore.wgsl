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

// The bias of four columns, for all rows of a thread; zero where there is none.
fn biasOf(column: u32) -> vec4f {
  var value = vec4f(0.0);
  if (u.hasBias != 0u) {
    let last = u.n - 1u;
    for (var i = 0u; i < 4u; i++) { value[i] = bias[min(column + i, last)]; }
  }
  return value;
}

// Columns column .. column + 3 of one row below u.m (bias already added); those at or past u.n are left out.
fn store(z: u32, row: u32, column: u32, sum: vec4f) {
  if (column >= u.n) { return; }
  let left = u.n - column;
  let at = (z * u.m + row) * u.n + column;
  let result = activate(sum);
  out[at] = result.x;
  if (left > 1u) { out[at + 1u] = result.y; }
  if (left > 2u) { out[at + 2u] = result.z; }
  if (left > 3u) { out[at + 3u] = result.w; }
  if (u.writesPre != 0u) {
    pre[at] = sum.x;
    if (left > 1u) { pre[at + 1u] = sum.y; }
    if (left > 2u) { pre[at + 2u] = sum.z; }
    if (left > 3u) { pre[at + 3u] = sum.w; }
  }
}
