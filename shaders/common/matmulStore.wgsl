// The end of every matrix product kernel: out[z, row, column] = f(sum + bias[column]), and with an activation f the
// sum before it in pre (backward reads it). Wants u.m, u.n and the bindings bias, out and pre of the kernel.
// Four scalar stores: rows of any length, and the stores are one K-th of the work.

// #include "common/activation.wgsl"

override HAS_BIAS: bool = false;

// Columns column .. column + 3 of one row; those at or past u.n, and rows at or past u.m, are left out.
fn store(z: u32, row: u32, column: u32, sum: vec4f) {
  if (row >= u.m || column >= u.n) { return; }
  let count = min(4u, u.n - column);
  var value = sum;
  if (HAS_BIAS) {
    let last = u.n - 1u;
    value += vec4f(bias[column], bias[min(column + 1u, last)], bias[min(column + 2u, last)], bias[min(column + 3u, last)]);
  }
  let result = activate(value);
  let at = (z * u.m + row) * u.n + column;
  if (ACTIVATION != 0u) {
    pre[at] = value.x;
    if (count > 1u) { pre[at + 1u] = value.y; }
    if (count > 2u) { pre[at + 2u] = value.z; }
    if (count > 3u) { pre[at + 3u] = value.w; }
  }
  out[at] = result.x;
  if (count > 1u) { out[at + 1u] = result.y; }
  if (count > 2u) { out[at + 2u] = result.z; }
  if (count > 3u) { out[at + 3u] = result.w; }
}
