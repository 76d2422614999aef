// From sums [3, samples, rows, channels] (of p * t, p and t) to the soft Dice loss. A group is one class of one sample (perSample 1), or one
// class of the whole batch with samples weighted (perSample 0). With I, P, T a group's sums over its rows and a its share of the mean:
//   loss = sum of a * (1 - N / D),  N = 2 I + smoothing,  D = max(kI I + kP P + kT T + smoothing, 1e-7)
//   coefficients [samples, channels] = (cI, cP) = (a (2 - kI N / D) / D, a kP N / D²) = (-d loss / d I, d loss / d P)
// Dice: kI = 0, kP = kT = 1. Tversky with weights alpha, beta: kI = 2 (1 - alpha - beta), kP = 2 alpha, kT = 2 beta.
// Groups with T = 0 give nothing where ignoreEmpty. Shares: w / (sum of w * channels), or 1 / channels; none where no sample has weight.
// perGroup (with perSample): loss [samples, channels] holds each group's own, with a = 1.
//
// One workgroup; lane l owns groups l, l + 64, ….

// #include "common/lossMean.wgsl"

override HAS_SAMPLE_WEIGHTS: bool = false;

struct Uniforms {
  samples: u32,
  channels: u32,
  rows: u32,
  smoothing: f32,
  perSample: u32,
  ignoreEmpty: u32,
  perGroup: u32,
  kI: f32,
  kP: f32,
  kT: f32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> sums: array<f32>;
@group(0) @binding(2) var<storage, read> sampleWeights: array<f32>;
@group(0) @binding(3) var<storage, read_write> loss: array<f32>;
@group(0) @binding(4) var<storage, read_write> coefficients: array<vec2f>;

const SMALLEST_DENOMINATOR = 1e-7;

fn weightOf(sample: u32) -> f32 {
  if (HAS_SAMPLE_WEIGHTS) { return sampleWeights[sample]; }
  return 1.0;
}

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
  var weights = 0.0;
  for (var n = 0u; n < u.samples; n++) { weights += weightOf(n); }
  let batchWide = u.perSample == 0u;
  let plane = u.samples * u.rows * u.channels;
  var sum = 0.0;
  for (var g = lane; g < select(u.samples * u.channels, u.channels, batchWide); g += 64u) {
    let channel = g % u.channels;
    let first = g / u.channels;
    let end = select(first + 1u, u.samples, batchWide);
    var totals = vec3f(0.0);
    for (var n = first; n < end; n++) {
      var own = vec3f(0.0);
      for (var r = 0u; r < u.rows; r++) {
        let at = (n * u.rows + r) * u.channels + channel;
        own += vec3f(sums[at], sums[plane + at], sums[2u * plane + at]);
      }
      totals += own * select(1.0, weightOf(n), batchWide);
    }
    var share = 0.0;
    if (!(weights <= 0.0) && (u.ignoreEmpty == 0u || !(totals.z <= 0.0))) {
      share = select(weightOf(first) / weights, 1.0, batchWide) / f32(u.channels);
      if (u.perGroup != 0u) { share = 1.0; }
    }
    let denominator = u.kI * totals.x + u.kP * totals.y + u.kT * totals.z + u.smoothing;
    let safe = select(denominator, SMALLEST_DENOMINATOR, denominator <= SMALLEST_DENOMINATOR);
    let dice = (2.0 * totals.x + u.smoothing) / safe;
    let own = share * (1.0 - dice);
    sum += own;
    if (u.perGroup != 0u) { loss[g] = own; }
    // At the bound the denominator is a constant.
    let slope = select(0.0, share * dice / safe, denominator > SMALLEST_DENOMINATOR);
    let pair = vec2f(2.0 * share / safe - u.kI * slope, u.kP * slope);
    for (var n = first; n < end; n++) {
      coefficients[n * u.channels + channel] = pair * select(1.0, weightOf(n), batchWide);
    }
  }
  let total = workgroupTotal(lane, vec2f(sum, 0.0));
  if (lane == 0u && u.perGroup == 0u) { loss[0] = total.x; }
}
