// All gradients in one pass over gradY and x, columns in groups of four:
//   gradX = rstd * (h - mean(h) - n * mean(h * n)), h = gradY * weight, n = (x - mean) * rstd
//   gradWeight[k, c] = sum over rows of gradY * n,  gradBias[k, c] = sum over rows of gradY, of the rows that workgroup k walks
//
// Lanes, rows and constants as in forwardLanes.wgsl. A lane owns its columns for good, so their parameters' gradients grow in registers;
// a second, ordered pass adds the workgroups up.

enable subgroups;

// #include "common/grid.wgsl"
// #include "common/storage.wgsl"
// #constant LANES
// #constant PER_LANE

const THREADS = LANES;

struct Uniforms { rows: u32, groups: u32, stride: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> gradY: array<Vec4>;
@group(0) @binding(2) var<storage, read> x: array<Vec4>;
@group(0) @binding(3) var<storage, read> weight: array<vec4f>;
@group(0) @binding(4) var<storage, read> mean: array<f32>;
@group(0) @binding(5) var<storage, read> rstd: array<f32>;
@group(0) @binding(6) var<storage, read_write> gradX: array<Vec4>;
@group(0) @binding(7) var<storage, read_write> gradWeight: array<vec4f>;
@group(0) @binding(8) var<storage, read_write> gradBias: array<vec4f>;

// #include "common/subgroup.wgsl"
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let own = linearWorkgroup(workgroup, workgroups);
  if (own >= u.stride) { return; }
  let last = u.groups - 1u;
  let columns = f32(u.groups * 4u);
  var w: array<vec4f, PER_LANE>;
  var weightSum: array<vec4f, PER_LANE>;
  var biasSum: array<vec4f, PER_LANE>;
  for (var k = 0u; k < PER_LANE; k++) { w[k] = weight[min(lane + k * LANES, last)]; }
  for (var row = own; row < u.rows; row += u.stride) {
    let first = row * u.groups;
    let rowMean = mean[row];
    let scale = rstd[row];
    var h: array<vec4f, PER_LANE>;
    var n: array<vec4f, PER_LANE>;
    var sums = vec4f(0.0);
    var products = vec4f(0.0);
    for (var k = 0u; k < PER_LANE; k++) {
      let c = lane + k * LANES;
      let at = first + min(c, last);
      let g = select(vec4f(0.0), vec4f(gradY[at]), c <= last);
      n[k] = (vec4f(x[at]) - rowMean) * scale;
      h[k] = g * w[k];
      sums += h[k];
      products += h[k] * n[k];
      biasSum[k] += g;
      weightSum[k] += g * n[k];
    }
    let shift = subgroupAdd(dot(sums, vec4f(1.0))) / columns;
    let slope = subgroupAdd(dot(products, vec4f(1.0))) / columns;
    for (var k = 0u; k < PER_LANE; k++) {
      let c = lane + k * LANES;
      if (c <= last) { gradX[first + c] = Vec4(scale * (h[k] - shift - n[k] * slope)); }
    }
  }
  for (var k = 0u; k < PER_LANE; k++) {
    let c = lane + k * LANES;
    if (c <= last) {
      gradWeight[own * u.groups + c] = weightSum[k];
      gradBias[own * u.groups + c] = biasSum[k];
    }
  }
}
