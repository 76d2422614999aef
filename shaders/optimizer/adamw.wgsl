// One AdamW step in place (Loshchilov and Hutter 2019, algorithm 2; the arithmetic of torch.optim.AdamW):
//   g = gradScale * grad
//   m = beta1 m + (1 - beta1) g          v = beta2 v + (1 - beta2) g^2
//   p = p (1 - lr weightDecay) - lr m / bias1 / (sqrt(v) / sqrt(bias2) + eps)
//
// hyper = [lr, 1 / bias1, 1 / sqrt(bias2), -], bias = 1 - beta^step: what changes from step to step is in a buffer, so that a
// captured step can be replayed. gate = [gradScale, norm, nonFinite, suppressed]: with nonFinite set, nothing is touched.
// Any layout, elementwise. Threads and the partial last group as in unary/forward.wgsl. Memory-bound: 4 reads, 3 writes.

// #include "common/grid.wgsl"

struct Uniforms {
  size: u32, stride: u32, lrScale: f32, weightDecay: f32, beta1: f32, rest1: f32, beta2: f32, rest2: f32, eps: f32
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read_write> parameter: array<vec4f>;
@group(0) @binding(2) var<storage, read> grad: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> m: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> v: array<vec4f>;
@group(0) @binding(5) var<storage, read> hyper: array<vec4f>;
@group(0) @binding(6) var<storage, read> gate: array<vec4f>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  if (gate[0].z != 0.0) { return; }
  let gradScale = gate[0].x;
  let lr = hyper[0].x * u.lrScale;
  let keep = 1.0 - lr * u.weightDecay;
  let rate = lr * hyper[0].y;
  let rootScale = hyper[0].z;
  for (var group = linearWorkgroup(workgroup, workgroups) * 64u + lane; group * 4u < u.size; group += u.stride) {
    let g = gradScale * grad[group];
    let newM = u.beta1 * m[group] + u.rest1 * g;
    let newV = u.beta2 * v[group] + u.rest2 * g * g;
    let value = keep * parameter[group] - rate * newM / (sqrt(newV) * rootScale + u.eps);
    let left = u.size - group * 4u;
    if (left >= 4u) {
      m[group] = newM;
      v[group] = newV;
      parameter[group] = value;
    } else {
      for (var k = 0u; k < left; k++) {
        m[group][k] = newM[k];
        v[group][k] = newV[k];
        parameter[group][k] = value[k];
      }
    }
  }
}
