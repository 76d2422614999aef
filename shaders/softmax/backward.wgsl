// Row-wise gradient from the saved output: softmax gradX = y * (g - sum(g * y)); log softmax gradX = g - exp(y) * sum(g).
//
// A thread owns rows of its workgroup's span, as in forward.wgsl.

// #include "common/grid.wgsl"
// #include "common/walk.wgsl"
// #include "common/shortRow.wgsl"
// #include "common/nan.wgsl"

alias Number = f32;
alias Index = u32;

override LOG: bool = false;

struct Uniforms { rows: u32, columns: u32, share: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> gradOutput: array<f32>;
@group(0) @binding(2) var<storage, read> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> gradX: array<f32>;

fn gradOutputRow(first: u32) -> Row {
  var row = Row(vec4f(0.0), vec4f(0.0));
  if (SHORT > 0u) { row.low.x = gradOutput[first]; }
  if (SHORT > 1u) { row.low.y = gradOutput[first + 1u]; }
  if (SHORT > 2u) { row.low.z = gradOutput[first + 2u]; }
  if (SHORT > 3u) { row.low.w = gradOutput[first + 3u]; }
  if (SHORT > 4u) { row.high.x = gradOutput[first + 4u]; }
  if (SHORT > 5u) { row.high.y = gradOutput[first + 5u]; }
  if (SHORT > 6u) { row.high.z = gradOutput[first + 6u]; }
  if (SHORT > 7u) { row.high.w = gradOutput[first + 7u]; }
  return row;
}

fn yRow(first: u32) -> Row {
  var row = Row(vec4f(0.0), vec4f(0.0));
  if (SHORT > 0u) { row.low.x = y[first]; }
  if (SHORT > 1u) { row.low.y = y[first + 1u]; }
  if (SHORT > 2u) { row.low.z = y[first + 2u]; }
  if (SHORT > 3u) { row.low.w = y[first + 3u]; }
  if (SHORT > 4u) { row.high.x = y[first + 4u]; }
  if (SHORT > 5u) { row.high.y = y[first + 5u]; }
  if (SHORT > 6u) { row.high.z = y[first + 6u]; }
  if (SHORT > 7u) { row.high.w = y[first + 7u]; }
  return row;
}

fn storeRow(first: u32, row: Row) {
  if (SHORT > 0u) { gradX[first] = row.low.x; }
  if (SHORT > 1u) { gradX[first + 1u] = row.low.y; }
  if (SHORT > 2u) { gradX[first + 2u] = row.low.z; }
  if (SHORT > 3u) { gradX[first + 3u] = row.low.w; }
  if (SHORT > 4u) { gradX[first + 4u] = row.high.x; }
  if (SHORT > 5u) { gradX[first + 5u] = row.high.y; }
  if (SHORT > 6u) { gradX[first + 6u] = row.high.z; }
  if (SHORT > 7u) { gradX[first + 7u] = row.high.w; }
}

fn gradient(g: vec4f, y: vec4f, sum: f32) -> vec4f {
  if (LOG) { return g - vec4f(expKept(y.x), expKept(y.y), expKept(y.z), expKept(y.w)) * sum; }
  return y * (g - sum);
}

fn shortRow(first: u32) {
  let g = gradOutputRow(first);
  let p = yRow(first);
  var terms = g;
  if (!LOG) { terms = Row(g.low * p.low, g.high * p.high); }
  let sum = rowSum(terms);
  storeRow(first, Row(gradient(g.low, p.low, sum), gradient(g.high, p.high, sum)));
}

fn longRow(first: u32) {
  let end = first + u.columns;
  var sum = 0.0;
  for (var i = first; i < end; i++) { sum += select(gradOutput[i] * y[i], gradOutput[i], LOG); }
  for (var i = first; i < end; i++) {
    if (LOG) { gradX[i] = gradOutput[i] - expKept(y[i]) * sum; } else { gradX[i] = y[i] * (gradOutput[i] - sum); }
  }
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let span = spanOf(linearWorkgroup(workgroup, workgroups), u.share, u.rows);
  for (var row = span.begin + lane; row < span.end; row += THREADS) {
    if (SHORT > 0u) { shortRow(row * u.columns); } else { longRow(row * u.columns); }
  }
}
