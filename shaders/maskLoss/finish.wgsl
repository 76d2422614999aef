// From sums [4, samples, rows, channels] (partial.wgsl) the losses:
//   cross entropy = the sum of the fourth plane / count,  Dice = the mean over groups of 1 - N / D,
//   loss = bceWeight * cross entropy + diceWeight * Dice.
// A group is one class (all classes together where `flatten`) of one sample (of the whole batch unless perSample). With I, P, T its sums:
//   N = 2 I + smoothing,  D = max(kI I + kP P + kT T + smoothing, 1e-7),
//   coefficients [samples, channels] = (cI, cP) = a ((2 - kI N / D) / D, kP N / D²),  a = diceWeight / number of groups,
// which are -d loss / d I and d loss / d P. Groups with T = 0 give nothing where ignoreEmpty. kI, kP, kT as in softDice/finish.wgsl.
//
// One workgroup; lane l owns groups l, l + 64, … and every 64th sum of the cross entropy.

// #include "common/lossMean.wgsl"

struct Uniforms {
  samples: u32,
  channels: u32,
  rows: u32,
  perSample: u32,
  flatten: u32,
  ignoreEmpty: u32,
  smoothing: f32,
  kI: f32,
  kP: f32,
  kT: f32,
  count: f32,
  bceWeight: f32,
  diceWeight: f32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> sums: array<f32>;
@group(0) @binding(2) var<storage, read_write> loss: array<f32>;
@group(0) @binding(3) var<storage, read_write> bce: array<f32>;
@group(0) @binding(4) var<storage, read_write> dice: array<f32>;
@group(0) @binding(5) var<storage, read_write> coefficients: array<vec2f>;

const SMALLEST_DENOMINATOR = 1e-7;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
  let plane = u.samples * u.rows * u.channels;
  let classes = select(u.channels, 1u, u.flatten != 0u);
  let groups = select(1u, u.samples, u.perSample != 0u) * classes;
  let share = 1.0 / f32(groups);
  var lost = 0.0;
  for (var g = lane; g < groups; g += 64u) {
    let own = g % classes;
    let channels = select(vec2u(own, own + 1u), vec2u(0u, u.channels), u.flatten != 0u);
    let samples = select(vec2u(0u, u.samples), vec2u(g / classes, g / classes + 1u), u.perSample != 0u);
    var totals = vec3f(0.0);
    for (var n = samples.x; n < samples.y; n++) {
      for (var r = 0u; r < u.rows; r++) {
        for (var c = channels.x; c < channels.y; c++) {
          let at = (n * u.rows + r) * u.channels + c;
          totals += vec3f(sums[at], sums[plane + at], sums[2u * plane + at]);
        }
      }
    }
    let counted = u.ignoreEmpty == 0u || !(totals.z <= 0.0);
    let denominator = u.kI * totals.x + u.kP * totals.y + u.kT * totals.z + u.smoothing;
    let safe = select(denominator, SMALLEST_DENOMINATOR, denominator <= SMALLEST_DENOMINATOR);
    let score = (2.0 * totals.x + u.smoothing) / safe;
    let part = select(0.0, share, counted);
    lost += part * (1.0 - score);
    // At the bound the denominator is a constant.
    let slope = select(0.0, part * score / safe, denominator > SMALLEST_DENOMINATOR);
    let pair = u.diceWeight * vec2f(2.0 * part / safe - u.kI * slope, u.kP * slope);
    for (var n = samples.x; n < samples.y; n++) {
      for (var c = channels.x; c < channels.y; c++) { coefficients[n * u.channels + c] = pair; }
    }
  }
  var entropy = 0.0;
  for (var at = lane; at < plane; at += 64u) { entropy += sums[3u * plane + at]; }
  let total = workgroupTotal(lane, vec2f(lost, entropy));
  if (lane == 0u) {
    let mean = total.y / u.count;
    bce[0] = mean;
    dice[0] = total.x;
    loss[0] = u.bceWeight * mean + u.diceWeight * total.x;
  }
}
