// Gradient of the fused cross entropy (forward.wgsl): with p = softmax(logits), W = sum of the class weights,
//   gradLogits[k] = g * factor * ((1 - s) * w[y] * (p[k] - [k = y]) + s / K * (p[k] * W - w[k]))
// where g is gradOutput, one number or (reduction 0) one per row. p[k] = exp(logits[k] - largest - logSum) with the row's stats. Ignored rows
// get zeros. A thread owns rows of its workgroup's span, keeps one of up to eight columns (common/shortRow.wgsl) and walks a longer one.

// #include "common/grid.wgsl"
// #include "common/walk.wgsl"
// #include "common/labels.wgsl"
// #include "common/nan.wgsl"
// #include "common/shortRow.wgsl"

alias Number = f32;
alias Index = u32;

override HAS_CLASS_WEIGHTS: bool = false;

struct Uniforms { rows: u32, columns: u32, share: u32, ignored: i32, smoothing: f32, perRow: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> gradOutput: array<f32>;
@group(0) @binding(2) var<storage, read> logits: array<f32>;
@group(0) @binding(3) var<storage, read> labels: array<i32>;
@group(0) @binding(4) var<storage, read> classWeights: array<f32>;
@group(0) @binding(5) var<storage, read> factor: array<f32>;
@group(0) @binding(6) var<storage, read> stats: array<vec2f>;
@group(0) @binding(7) var<storage, read_write> gradLogits: array<f32>;

// Not select(): without weights the buffer bound here is another one. A column that a short row has not gets any weight.
fn weightOf(column: u32) -> f32 {
  if (HAS_CLASS_WEIGHTS) { return classWeights[min(column, u.columns - 1u)]; }
  return 1.0;
}

fn logitsRow(first: u32) -> Row {
  var row = Row(vec4f(0.0), vec4f(0.0));
  if (SHORT > 0u) { row.low.x = logits[first]; }
  if (SHORT > 1u) { row.low.y = logits[first + 1u]; }
  if (SHORT > 2u) { row.low.z = logits[first + 2u]; }
  if (SHORT > 3u) { row.low.w = logits[first + 3u]; }
  if (SHORT > 4u) { row.high.x = logits[first + 4u]; }
  if (SHORT > 5u) { row.high.y = logits[first + 5u]; }
  if (SHORT > 6u) { row.high.z = logits[first + 6u]; }
  if (SHORT > 7u) { row.high.w = logits[first + 7u]; }
  return row;
}

fn storeRow(first: u32, row: Row) {
  if (SHORT > 0u) { gradLogits[first] = row.low.x; }
  if (SHORT > 1u) { gradLogits[first + 1u] = row.low.y; }
  if (SHORT > 2u) { gradLogits[first + 2u] = row.low.z; }
  if (SHORT > 3u) { gradLogits[first + 3u] = row.low.w; }
  if (SHORT > 4u) { gradLogits[first + 4u] = row.high.x; }
  if (SHORT > 5u) { gradLogits[first + 5u] = row.high.y; }
  if (SHORT > 6u) { gradLogits[first + 6u] = row.high.z; }
  if (SHORT > 7u) { gradLogits[first + 7u] = row.high.w; }
}

// What the gradients of a row's columns have in common.
struct Given { shift: f32, logSum: f32, slope: f32, own: f32, rest: f32, known: u32, unread: f32, counts: bool }

fn gradient(logit: f32, c: u32, row: Given) -> f32 {
  // An ignored row may hold anything, even what is not finite: its p is not multiplied by 0 but left out.
  let p = expKept(min(logit - row.shift, 0.0) - row.logSum);
  let value = row.slope * p - select(0.0, row.own, c == row.known) - row.rest * weightOf(c);
  return select(row.unread, value, row.counts);
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  var weights = f32(u.columns);
  if (HAS_CLASS_WEIGHTS && u.smoothing > 0.0) {
    weights = 0.0;
    for (var c = 0u; c < u.columns; c++) { weights += weightOf(c); }
  }
  let spread = u.smoothing / f32(u.columns);
  let span = spanOf(linearWorkgroup(workgroup, workgroups), u.share, u.rows);
  for (var row = span.begin + lane; row < span.end; row += THREADS) {
    let first = row * u.columns;
    let label = labels[row];
    let state = stateOf(label, u.ignored, u.columns);
    let counts = state == COUNTS;
    let known = select(0u, u32(label), counts);
    let scale = select(0.0, gradOutput[row * u.perRow] * factor[0], counts);
    let own = scale * (1.0 - u.smoothing) * weightOf(known);
    let slope = own + scale * spread * weights;
    let unread = select(0.0, nanOf(u.columns), state == WRONG);
    let row01 = stats[row];
    let given = Given(row01.x, row01.y, slope, own, scale * spread, known, unread, counts);
    if (SHORT > 0u) {
      let x = logitsRow(first);
      storeRow(first, Row(
        vec4f(gradient(x.low.x, 0u, given), gradient(x.low.y, 1u, given), gradient(x.low.z, 2u, given), gradient(x.low.w, 3u, given)),
        vec4f(gradient(x.high.x, 4u, given), gradient(x.high.y, 5u, given), gradient(x.high.z, 6u, given), gradient(x.high.w, 7u, given)),
      ));
    } else {
      for (var c = 0u; c < u.columns; c++) { gradLogits[first + c] = gradient(logits[first + c], c, given); }
    }
  }
}
