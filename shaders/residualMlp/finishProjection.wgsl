// With P[c, j] = sum over slices of partial[s, c, j], the sums over rows r of gradient[r, c] * hidden[r, j], and
// S[c] = sum over slices of partialSums[s, c], those of gradient[r, c]:
//
//   gradWeight[c, j] = gamma[c] * P[c, j]      gradBias[c] = gamma[c] * S[c]
//   gradGamma[c] = sum over j of weight[c, j] * P[c, j] + bias[c] * S[c]
//
// gradGamma is the sum over rows of gradient * branch, branch = weight * hidden + bias, with the sums exchanged: so neither the branch nor a
// pass over its rows is needed. A workgroup of WIDTH threads owns a row c, a thread every WIDTH-th column, added up in a fixed order.

// #include "common/grid.wgsl"
// #include "common/storage.wgsl"

override WIDTH: u32 = 64u;

struct Uniforms { channels: u32, hidden: u32, slices: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> partial: array<f32>;
@group(0) @binding(2) var<storage, read> partialSums: array<f32>;
@group(0) @binding(3) var<storage, read> weight: array<Scalar>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read> gamma: array<f32>;
@group(0) @binding(6) var<storage, read_write> gradWeight: array<f32>;
@group(0) @binding(7) var<storage, read_write> gradBias: array<f32>;
@group(0) @binding(8) var<storage, read_write> gradGamma: array<f32>;

var<workgroup> sums: array<f32, WIDTH>;

@compute @workgroup_size(WIDTH)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let channel = linearWorkgroup(workgroup, workgroups);
  if (channel >= u.channels) { return; }
  let size = u.channels * u.hidden;
  let scale = gamma[channel];
  var dot = 0.0;
  for (var j = lane; j < u.hidden; j += WIDTH) {
    let at = channel * u.hidden + j;
    var product = 0.0;
    for (var s = 0u; s < u.slices; s++) { product += partial[s * size + at]; }
    gradWeight[at] = scale * product;
    dot += f32(weight[at]) * product;
  }
  sums[lane] = dot;
  workgroupBarrier();
  if (lane != 0u) { return; }
  var gradient = 0.0;
  for (var s = 0u; s < u.slices; s++) { gradient += partialSums[s * u.channels + channel]; }
  gradBias[channel] = scale * gradient;
  var total = bias[channel] * gradient;
  for (var i = 0u; i < WIDTH; i++) { total += sums[i]; }
  gradGamma[channel] = total;
}
