// All gradients in one pass over gradY and x, columns in groups of four:
//   gradX = rstd * (h - mean(h) - n * mean(h * n)), h = gradY * weight, n = (x - mean) * rstd
//   gradWeight[k, c] = sum over rows of gradY * n,  gradBias[k, c] = sum over rows of gradY, of the rows that workgroup k walks
//
// Lanes, rows and constants as in forwardLanes.wgsl. A lane owns its columns for good, so their parameters' gradients grow in registers. The sums of a
// workgroup's subgroups are added up in order through workgroup memory; a second, ordered pass adds the workgroups up.

enable subgroups;

// #include "common/lanes.wgsl"
// #include "common/storage.wgsl"
// #constant PER_LANE
// #constant ROWS

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

var<workgroup> weightSums: array<vec4f, THREADS>;
var<workgroup> biasSums: array<vec4f, THREADS>;

// #include "common/subgroup.wgsl"
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) thread: u32) {
  let lane = thread % LANES;
  let before = subgroupOf(thread) * ROWS;
  let last = u.groups - 1u;
  let columns = f32(u.groups * 4u);
  var w: array<vec4f, PER_LANE>;
  var weightSum: array<vec4f, PER_LANE>;
  var biasSum: array<vec4f, PER_LANE>;
  for (var k = 0u; k < PER_LANE; k++) { w[k] = weight[min(lane + k * LANES, last)]; }
  for (var row0 = workgroup.x * SUBGROUPS * ROWS; row0 < u.rows; row0 += u.stride) {
    var h: array<array<vec4f, PER_LANE>, ROWS>;
    var n: array<array<vec4f, PER_LANE>, ROWS>;
    var scale: array<f32, ROWS>;
    var shift: array<f32, ROWS>;
    var slope: array<f32, ROWS>;
    for (var r = 0u; r < ROWS; r++) {
      let row = min(row0 + before + r, u.rows - 1u);
      let first = row * u.groups;
      let rowMean = mean[row];
      scale[r] = rstd[row];
      var sums = vec4f(0.0);
      var products = vec4f(0.0);
      for (var k = 0u; k < PER_LANE; k++) {
        let c = lane + k * LANES;
        let at = first + min(c, last);
        let g = select(vec4f(0.0), vec4f(gradY[at]), c <= last && row == row0 + before + r);
        n[r][k] = (vec4f(x[at]) - rowMean) * scale[r];
        h[r][k] = g * w[k];
        sums += h[r][k];
        products += h[r][k] * n[r][k];
        biasSum[k] += g;
        weightSum[k] += g * n[r][k];
      }
      shift[r] = dot(sums, vec4f(1.0));
      slope[r] = dot(products, vec4f(1.0));
    }
    for (var r = 0u; r < ROWS; r++) {
      shift[r] = subgroupAdd(shift[r]) / columns;
      slope[r] = subgroupAdd(slope[r]) / columns;
    }
    for (var r = 0u; r < ROWS; r++) {
      let row = row0 + before + r;
      if (row >= u.rows) { continue; }
      for (var k = 0u; k < PER_LANE; k++) {
        let c = lane + k * LANES;
        if (c <= last) { gradX[row * u.groups + c] = Vec4(scale[r] * (h[r][k] - shift[r] - n[r][k] * slope[r])); }
      }
    }
  }
  for (var k = 0u; k < PER_LANE; k++) {
    if (SUBGROUPS > 1u) {
      workgroupBarrier();
      weightSums[thread] = weightSum[k];
      biasSums[thread] = biasSum[k];
      workgroupBarrier();
    }
    let c = lane + k * LANES;
    if (thread < LANES && c <= last) {
      for (var s = 1u; s < SUBGROUPS; s++) {
        weightSum[k] += weightSums[s * LANES + lane];
        biasSum[k] += biasSums[s * LANES + lane];
      }
      gradWeight[workgroup.x * u.groups + c] = weightSum[k];
      gradBias[workgroup.x * u.groups + c] = biasSum[k];
    }
  }
}
