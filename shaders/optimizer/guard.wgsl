// From the first `count` slots [sum of squares, count of non-finite elements]:
//   norm = sqrt(sum of all) / scale     nonFinite = 1 if any element is not finite, 2 if only the sum of squares is not
//   guard = [min(1, maxNorm / (norm + 1e-6)) / scale, norm, nonFinite, suppressed + nonFinite]
// where the loss, and so all gradients, were multiplied by lossScale = [scale, finite steps since it changed, other steps in a row, 0].
// With a growthInterval the scale halves where something is not finite and doubles after so many finite steps (GradScaler).
// sticky: once nonFinite, always (until the host resets the guard), so that steps already on their way change nothing either.
// As torch.nn.utils.clip_grad_norm_; maxNorm 0: no clipping. With nonFinite the first is 0, and the norm 0 or, where 2, infinite.
//
// One workgroup of WIDTH threads: a thread sums every WIDTH-th slot, four loads under way, then thread 0 the WIDTH sums, in order. A few ten
// thousand slots at most, so the workgroup memory (slow on software adapters) does not show. Overflow is recognized in the words of the sum.

override WIDTH: u32 = 64u;

struct Uniforms { count: u32, maxNorm: f32, sticky: u32, growthInterval: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> slots: array<vec2f>;
@group(0) @binding(2) var<storage, read_write> guard: array<f32>;
@group(0) @binding(3) var<storage, read_write> lossScale: array<f32>;

// The largest scale: LARGEST_LOSS_SCALE in src/engine/ops/optimizer/norm.ts.
const LARGEST = 16777216.0;

var<workgroup> partial: array<vec2f, WIDTH>;

@compute @workgroup_size(WIDTH)
fn main(@builtin(local_invocation_index) lane: u32) {
  var own = vec2f(0.0);
  var slot = lane;
  for (; slot + 3u * WIDTH < u.count; slot += 4u * WIDTH) {
    let a = slots[slot];
    let b = slots[slot + WIDTH];
    let c = slots[slot + 2u * WIDTH];
    let d = slots[slot + 3u * WIDTH];
    own += a;
    own += b;
    own += c;
    own += d;
  }
  for (; slot < u.count; slot += WIDTH) { own += slots[slot]; }
  partial[lane] = own;
  workgroupBarrier();
  if (lane != 0u) { return; }
  var total = vec2f(0.0);
  for (var i = 0u; i < WIDTH; i++) { total += partial[i]; }
  let overflow = (bitcast<u32>(total.x) & 0x7f800000u) == 0x7f800000u;
  if (overflow || total.y > 0.0 || (u.sticky == 1u && guard[2] > 0.0)) {
    guard[0] = 0.0;
    // Of finite elements the sum is infinite: so is the norm, and 2 tells this from elements that are not finite.
    let tooLarge = overflow && total.y == 0.0;
    guard[1] = select(0.0, total.x, tooLarge);
    guard[2] = select(1.0, 2.0, tooLarge);
    guard[3] += 1.0;
    if (u.growthInterval > 0u) {
      lossScale[0] *= 0.5;
      lossScale[1] = 0.0;
      lossScale[2] += 1.0;
    }
    return;
  }
  let scale = lossScale[0];
  let norm = sqrt(total.x) / scale;
  guard[0] = select(1.0, min(1.0, u.maxNorm / (norm + 1e-6)), u.maxNorm > 0.0) / scale;
  guard[1] = norm;
  guard[2] = 0.0;
  if (u.growthInterval > 0u) {
    let grows = lossScale[1] + 1.0 >= f32(u.growthInterval);
    lossScale[0] = select(scale, min(2.0 * scale, LARGEST), grows);
    lossScale[1] = select(lossScale[1] + 1.0, 0.0, grows);
    lossScale[2] = 0.0;
  }
}
