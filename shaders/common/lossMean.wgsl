// How a loss becomes one number. Every workgroup adds up (loss, weight) of its share; a single workgroup finishes at once,
// several leave partial sums [workgroups] to loss/finish.wgsl. Fixed order: a tree over 64 lanes, then the workgroups in order.
//
// reduction 1 (sum): loss = sum, factor = 1.   reduction 2 (mean): loss = sum / weight, factor = 1 / weight.
// A mean over nothing (weight 0): loss 0 and factor 0, hence no gradient. Backward multiplies by factor.

const REDUCTION_NONE = 0u;
const REDUCTION_MEAN = 2u;

var<workgroup> lossPartials: array<vec2f, 64>;

// The total over the workgroup, valid in lane 0. Must be called from uniform control flow.
fn workgroupTotal(lane: u32, value: vec2f) -> vec2f {
  lossPartials[lane] = value;
  for (var width = 32u; width > 0u; width /= 2u) {
    workgroupBarrier();
    if (lane < width) { lossPartials[lane] += lossPartials[lane + width]; }
  }
  return lossPartials[lane];
}

// (loss, factor) of a total.
fn lossAndFactor(total: vec2f, reduction: u32) -> vec2f {
  if (reduction != REDUCTION_MEAN) { return vec2f(total.x, 1.0); }
  if (total.y <= 0.0) { return vec2f(0.0); }
  return vec2f(total.x / total.y, 1.0 / total.y);
}
