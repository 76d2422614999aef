// out = softmax(x), or log softmax where LOG is set, of each row of x [rows, columns]; the row's maximum is taken off first,
// so that no exponent overflows.
//
// A thread owns rows of its workgroup's span: rows are short here (2 to some tens of classes). One of up to eight columns is read once and kept
// (common/shortRow.wgsl), a longer one is swept three times.

// #include "common/grid.wgsl"
// #include "common/walk.wgsl"
// #include "common/shortRow.wgsl"

alias Number = f32;
alias Index = u32;

// #include "common/elementary.wgsl"

override LOG: bool = false;

struct Uniforms { rows: u32, columns: u32, share: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

fn xRow(first: u32) -> Row {
  var row = Row(vec4f(0.0), vec4f(0.0));
  if (SHORT > 0u) { row.low.x = x[first]; }
  if (SHORT > 1u) { row.low.y = x[first + 1u]; }
  if (SHORT > 2u) { row.low.z = x[first + 2u]; }
  if (SHORT > 3u) { row.low.w = x[first + 3u]; }
  if (SHORT > 4u) { row.high.x = x[first + 4u]; }
  if (SHORT > 5u) { row.high.y = x[first + 5u]; }
  if (SHORT > 6u) { row.high.z = x[first + 6u]; }
  if (SHORT > 7u) { row.high.w = x[first + 7u]; }
  return row;
}

fn storeRow(first: u32, row: Row) {
  if (SHORT > 0u) { out[first] = row.low.x; }
  if (SHORT > 1u) { out[first + 1u] = row.low.y; }
  if (SHORT > 2u) { out[first + 2u] = row.low.z; }
  if (SHORT > 3u) { out[first + 3u] = row.low.w; }
  if (SHORT > 4u) { out[first + 4u] = row.high.x; }
  if (SHORT > 5u) { out[first + 5u] = row.high.y; }
  if (SHORT > 6u) { out[first + 6u] = row.high.z; }
  if (SHORT > 7u) { out[first + 7u] = row.high.w; }
}

fn exponentials(row: Row) -> Row {
  return Row(
    vec4f(expOf(row.low.x), expOf(row.low.y), expOf(row.low.z), expOf(row.low.w)),
    vec4f(expOf(row.high.x), expOf(row.high.y), expOf(row.high.z), expOf(row.high.w)),
  );
}

fn shortRow(first: u32) {
  let row = xRow(first);
  let largest = rowMax(row, -3.4e38);
  let shifted = Row(row.low - largest, row.high - largest);
  let powers = exponentials(shifted);
  let sum = rowSum(powers);
  if (LOG) {
    let logSum = logOf(sum);
    storeRow(first, Row(shifted.low - logSum, shifted.high - logSum));
  } else {
    storeRow(first, Row(powers.low / sum, powers.high / sum));
  }
}

fn longRow(first: u32) {
  let end = first + u.columns;
  var largest = -3.4e38;
  for (var i = first; i < end; i++) { largest = max(largest, x[i]); }
  var sum = 0.0;
  // In stretches, as reduce/sum.wgsl.
  for (var start = first; start < end; start += 32u) {
    var stretch = 0.0;
    for (var i = start; i < min(start + 32u, end); i++) { stretch += expOf(x[i] - largest); }
    sum += stretch;
  }
  let logSum = logOf(sum);
  for (var i = first; i < end; i++) {
    let shifted = x[i] - largest;
    if (LOG) { out[i] = shifted - logSum; } else { out[i] = expOf(shifted) / sum; }
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
