// As forward.wgsl for many classes: the lanes of a subgroup (common/lanes.wgsl) share a row in groups of four columns, so that
// neighboring lanes read neighboring memory. A subgroup's rows lie `stride` apart, and `columns` counts groups of four. Each component keeps a
// maximum and a sum of its own; they meet at the end of the row. The totals of a workgroup's subgroups are added up in order.

enable subgroups;

// #include "common/labels.wgsl"
// #include "common/lanes.wgsl"
// #include "common/lossMean.wgsl"

alias Number = vec4f;
alias Index = vec4u;
// #include "common/onlineSoftmax.wgsl"

override HAS_CLASS_WEIGHTS: bool = false;

struct Uniforms { rows: u32, columns: u32, stride: u32, ignored: i32, smoothing: f32, reduction: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> logits: array<vec4f>;
@group(0) @binding(2) var<storage, read> labels: array<i32>;
@group(0) @binding(3) var<storage, read> classWeights: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> partials: array<vec2f>;
@group(0) @binding(5) var<storage, read_write> loss: array<f32>;
@group(0) @binding(6) var<storage, read_write> factor: array<f32>;
@group(0) @binding(7) var<storage, read_write> stats: array<vec2f>;

fn weightOf(group: u32) -> vec4f {
  if (HAS_CLASS_WEIGHTS) { return classWeights[group]; }
  return vec4f(1.0);
}

var<workgroup> totals: array<vec2f, SUBGROUPS>;

// #include "common/subgroup.wgsl"
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) thread: u32) {
  let lane = thread % LANES;
  let subgroup = subgroupOf(thread);
  let classes = u.columns * 4u;
  var total = vec2f(0.0);
  for (var row0 = workgroup.x * SUBGROUPS; row0 < u.rows; row0 += u.stride) {
    let row = min(row0 + subgroup, u.rows - 1u);
    let first = row * u.columns;
    var peak = NO_PEAK;
    for (var c = lane; c < u.columns; c += LANES) { peak = absorb(peak, logits[first + c]); }
    let highest = max(max(peak.largest.x, peak.largest.y), max(peak.largest.z, peak.largest.w));
    let largest = subgroupMax(highest);
    let logSum = logOfSum(subgroupAdd(dot(peak.sum, exp(peak.largest - largest))), largest);
    let label = labels[row];
    let state = stateOf(label, u.ignored, classes);
    let counts = state == COUNTS;
    var spread = 0.0;
    if (u.smoothing > 0.0) {
      var sums = vec4f(0.0);
      for (var c = lane; c < u.columns; c += LANES) { sums += weightOf(c) * (logSum - (logits[first + c] - largest)); }
      spread = subgroupAdd(dot(sums, vec4f(1.0)));
    }
    let known = select(0u, u32(label), counts);
    let weight = select(0.0, weightOf(known / 4u)[known % 4u], counts);
    let own = weight * (logSum - (logits[first + known / 4u][known % 4u] - largest));
    let smoothed = select(0.0, u.smoothing / f32(classes) * spread, counts);
    // The label's own loss is left out where the row is, even what is not finite.
    let value = select(select(0.0, nanOf(classes), state == WRONG), (1.0 - u.smoothing) * own + smoothed, counts);
    if (row == row0 + subgroup) {
      total += vec2f(value, select(weight, 1.0, state == WRONG));
      if (lane == 0u) {
        stats[row] = vec2f(largest, logSum);
        if (u.reduction == REDUCTION_NONE) { loss[row] = value; }
      }
    }
  }
  if (SUBGROUPS > 1u) {
    if (lane == 0u) { totals[subgroup] = total; }
    workgroupBarrier();
    for (var s = 1u; s < SUBGROUPS; s++) { total += totals[s]; }
  }
  if (thread != 0u) { return; }
  if (u.reduction == REDUCTION_NONE) {
    if (workgroup.x == 0u) { factor[0] = 1.0; }
  } else if (u.stride > SUBGROUPS) {
    partials[workgroup.x] = total;
  } else {
    let result = lossAndFactor(total, u.reduction);
    loss[0] = result.x;
    factor[0] = result.y;
  }
}
