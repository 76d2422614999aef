// As forward.wgsl for many classes: a workgroup is one subgroup of LANES lanes, which share a row in groups of four columns, so that
// neighboring lanes read neighboring memory. Rows lie `stride` apart, and `columns` counts groups of four. Each component keeps a
// maximum and a sum of its own; they meet at the end of the row.

enable subgroups;

// #include "common/grid.wgsl"
// #include "common/labels.wgsl"
// #include "common/lossMean.wgsl"

alias Number = vec4f;
alias Index = vec4u;
// #include "common/onlineSoftmax.wgsl"
// #constant LANES

override HAS_CLASS_WEIGHTS: bool = false;

const THREADS = LANES;

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

// #include "common/subgroup.wgsl"
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups);
  let classes = u.columns * 4u;
  var total = vec2f(0.0);
  for (var row = index; row < u.rows; row += u.stride) {
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
    total += vec2f(value, select(weight, 1.0, state == WRONG));
    if (lane == 0u) {
      stats[row] = vec2f(largest, logSum);
      if (u.reduction == REDUCTION_NONE) { loss[row] = value; }
    }
  }
  if (lane != 0u) { return; }
  if (u.reduction == REDUCTION_NONE) {
    if (index == 0u) { factor[0] = 1.0; }
  } else if (u.stride > 1u) {
    partials[index] = total;
  } else {
    let result = lossAndFactor(total, u.reduction);
    loss[0] = result.x;
    factor[0] = result.y;
  }
}
