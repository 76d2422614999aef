// The second pass of a loss: adds up the workgroups' partial (loss, weight) and writes loss and factor (common/lossMean.wgsl).
//
// One workgroup: lane l adds partials l, l + 64, …, then a tree.

// #include "common/lossMean.wgsl"

struct Uniforms { count: u32, reduction: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> partials: array<vec2f>;
@group(0) @binding(2) var<storage, read_write> loss: array<f32>;
@group(0) @binding(3) var<storage, read_write> factor: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
  var sum = vec2f(0.0);
  for (var i = lane; i < u.count; i += 64u) { sum += partials[i]; }
  let total = workgroupTotal(lane, sum);
  if (lane == 0u) {
    let result = lossAndFactor(total, u.reduction);
    loss[0] = result.x;
    factor[0] = result.y;
  }
}
