// One step of SGD with momentum in place, as torch.optim.SGD with dampening 0 (L2 decay joins the gradient):
//   g = gradScale * grad + weightDecay p     velocity = momentum velocity + g
//   p = p - lr (nesterov ? g + momentum velocity : velocity)
//
// hyper = [lr, -, -, -]; gate = [gradScale, norm, nonFinite, suppressed]: with nonFinite set, nothing is touched.
// A velocity of zeros before the first step gives PyTorch's first step. Threads and the partial last group as in unary/forward.wgsl.

// #include "common/grid.wgsl"

struct Uniforms { size: u32, stride: u32, lrScale: f32, weightDecay: f32, momentum: f32, nesterov: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read_write> parameter: array<vec4f>;
@group(0) @binding(2) var<storage, read> grad: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> velocity: array<vec4f>;
@group(0) @binding(4) var<storage, read> hyper: array<vec4f>;
@group(0) @binding(5) var<storage, read> gate: array<vec4f>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  if (gate[0].z != 0.0) { return; }
  let gradScale = gate[0].x;
  let lr = hyper[0].x * u.lrScale;
  for (var group = linearWorkgroup(workgroup, workgroups) * 64u + lane; group * 4u < u.size; group += u.stride) {
    let old = parameter[group];
    let g = gradScale * grad[group] + u.weightDecay * old;
    let newVelocity = u.momentum * velocity[group] + g;
    var direction = newVelocity;
    if (u.nesterov != 0u) { direction = g + u.momentum * newVelocity; }
    let value = old - lr * direction;
    let left = u.size - group * 4u;
    if (left >= 4u) {
      velocity[group] = newVelocity;
      parameter[group] = value;
    } else {
      for (var k = 0u; k < left; k++) {
        velocity[group][k] = newVelocity[k];
        parameter[group][k] = value[k];
      }
    }
  }
}
