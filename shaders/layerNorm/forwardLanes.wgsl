// As forward.wgsl, in one pass: y = (x - mean) * rstd * weight + bias, columns in groups of four.
//
// A workgroup is one subgroup of LANES lanes and walks whole rows, `stride` apart. Lane i owns the groups i, i + LANES, … of every row
// (PER_LANE of them), so neighboring lanes read neighboring memory, the weights are read once per workgroup, and a row
// stays in registers between its sums and its result. LANES and PER_LANE are constants: the loops unroll.
// The variance is taken about the mean, and what rounding took from the mean comes out of the deviations (see forward.wgsl): no cancellation
// however far the row is from zero. One walk for both, about the row's first number, was 20 % shorter, but lost the others' digits
// where that number is far from them.

enable subgroups;

// #include "common/grid.wgsl"
// #include "common/storage.wgsl"
// #constant LANES
// #constant PER_LANE

const THREADS = LANES;

struct Uniforms { rows: u32, groups: u32, stride: u32, eps: f32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<Vec4>;
@group(0) @binding(2) var<storage, read> weight: array<vec4f>;
@group(0) @binding(3) var<storage, read> bias: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> y: array<Vec4>;
@group(0) @binding(5) var<storage, read_write> mean: array<f32>;
@group(0) @binding(6) var<storage, read_write> rstd: array<f32>;

// #include "common/subgroup.wgsl"
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let last = u.groups - 1u;
  let columns = f32(u.groups * 4u);
  var w: array<vec4f, PER_LANE>;
  var b: array<vec4f, PER_LANE>;
  for (var k = 0u; k < PER_LANE; k++) {
    let c = min(lane + k * LANES, last);
    w[k] = weight[c];
    b[k] = bias[c];
  }
  for (var row = linearWorkgroup(workgroup, workgroups); row < u.rows; row += u.stride) {
    let first = row * u.groups;
    var d: array<vec4f, PER_LANE>;
    var sums = vec4f(0.0);
    for (var k = 0u; k < PER_LANE; k++) {
      let c = lane + k * LANES;
      d[k] = select(vec4f(0.0), vec4f(x[first + min(c, last)]), c <= last);
      sums += d[k];
    }
    let center = subgroupAdd(dot(sums, vec4f(1.0))) / columns;
    var shifts = vec4f(0.0);
    var squares = vec4f(0.0);
    for (var k = 0u; k < PER_LANE; k++) {
      d[k] = select(vec4f(0.0), d[k] - center, lane + k * LANES <= last);
      shifts += d[k];
      squares += d[k] * d[k];
    }
    let offset = subgroupAdd(dot(shifts, vec4f(1.0))) / columns;
    let scale = inverseSqrt(subgroupAdd(dot(squares, vec4f(1.0))) / columns - offset * offset + u.eps);
    for (var k = 0u; k < PER_LANE; k++) {
      let c = lane + k * LANES;
      if (c <= last) { y[first + c] = Vec4((d[k] - offset) * scale * w[k] + b[k]); }
    }
    if (lane == 0u) {
      mean[row] = center + offset;
      rstd[row] = scale;
    }
  }
}
