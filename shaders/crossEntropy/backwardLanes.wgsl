// As backward.wgsl for many classes; subgroups and rows as in forwardLanes.wgsl, `columns` counts groups of four.

enable subgroups;

// #include "common/labels.wgsl"
// #include "common/lanes.wgsl"
// #include "common/nan.wgsl"

alias Number = vec4f;
alias Index = vec4u;

override HAS_CLASS_WEIGHTS: bool = false;

struct Uniforms { rows: u32, columns: u32, stride: u32, ignored: i32, smoothing: f32, perRow: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> gradOutput: array<f32>;
@group(0) @binding(2) var<storage, read> logits: array<vec4f>;
@group(0) @binding(3) var<storage, read> labels: array<i32>;
@group(0) @binding(4) var<storage, read> classWeights: array<vec4f>;
@group(0) @binding(5) var<storage, read> factor: array<f32>;
@group(0) @binding(6) var<storage, read> stats: array<vec2f>;
@group(0) @binding(7) var<storage, read_write> gradLogits: array<vec4f>;

fn weightOf(group: u32) -> vec4f {
  if (HAS_CLASS_WEIGHTS) { return classWeights[group]; }
  return vec4f(1.0);
}

// #include "common/subgroup.wgsl"
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) thread: u32) {
  let lane = thread % LANES;
  let classes = u.columns * 4u;
  var weights = f32(classes);
  if (HAS_CLASS_WEIGHTS && u.smoothing > 0.0) {
    var sums = vec4f(0.0);
    for (var c = lane; c < u.columns; c += LANES) { sums += weightOf(c); }
    weights = subgroupAdd(dot(sums, vec4f(1.0)));
  }
  let spread = u.smoothing / f32(classes);
  for (var row = workgroup.x * SUBGROUPS + subgroupOf(thread); row < u.rows; row += u.stride) {
    let first = row * u.columns;
    let label = labels[row];
    let state = stateOf(label, u.ignored, classes);
    let counts = state == COUNTS;
    let known = select(0u, u32(label), counts);
    let scale = select(0.0, gradOutput[row * u.perRow] * factor[0], counts);
    let own = scale * (1.0 - u.smoothing) * weightOf(known / 4u)[known % 4u];
    let slope = own + scale * spread * weights;
    let unread = select(0.0, nanOf(classes), state == WRONG);
    let row01 = stats[row];
    for (var c = lane; c < u.columns; c += LANES) {
      let p = expKept(min(logits[first + c] - row01.x, vec4f(0.0)) - row01.y);
      let hit = vec4u(c * 4u) + vec4u(0u, 1u, 2u, 3u) == vec4u(known);
      let value = slope * p - select(vec4f(0.0), vec4f(own), hit) - scale * spread * weightOf(c);
      gradLogits[first + c] = select(vec4f(unread), value, counts);
    }
  }
}
