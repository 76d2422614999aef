// As forward.wgsl, in one pass: y = (x - mean) * rstd * weight + bias, columns in groups of four.
//
// A subgroup takes ROWS neighboring rows per turn, a workgroup those of its SUBGROUPS subgroups (common/lanes.wgsl), all workgroups `stride` rows. Lane i
// owns the groups i, i + LANES, … of every row (PER_LANE of them), so neighboring lanes read neighboring memory, the weights are read once per subgroup, and
// a row stays in registers between its sums and its result. LANES, PER_LANE and ROWS are constants: the loops unroll.
// The variance is taken about the mean, and what rounding took from the mean comes out of the deviations (see forward.wgsl): no cancellation
// however far the row is from zero. One walk for both, about the row's first number, was 20 % shorter, but lost the others' digits
// where that number is far from them.

enable subgroups;

// #include "common/lanes.wgsl"
// #include "common/storage.wgsl"
// #constant PER_LANE
// #constant ROWS

struct Uniforms { rows: u32, groups: u32, stride: u32, eps: f32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<Vec4>;
@group(0) @binding(2) var<storage, read> weight: array<vec4f>;
@group(0) @binding(3) var<storage, read> bias: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> y: array<Vec4>;
@group(0) @binding(5) var<storage, read_write> mean: array<f32>;
@group(0) @binding(6) var<storage, read_write> rstd: array<f32>;

// #include "common/subgroup.wgsl"
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) thread: u32) {
  let lane = thread % LANES;
  let before = subgroupOf(thread) * ROWS;
  let last = u.groups - 1u;
  let columns = f32(u.groups * 4u);
  var w: array<vec4f, PER_LANE>;
  var b: array<vec4f, PER_LANE>;
  for (var k = 0u; k < PER_LANE; k++) {
    let c = min(lane + k * LANES, last);
    w[k] = weight[c];
    b[k] = bias[c];
  }
  for (var row0 = workgroup.x * SUBGROUPS * ROWS; row0 < u.rows; row0 += u.stride) {
    // The loads of all rows come before the sums of the first, to be under way together.
    var d: array<array<vec4f, PER_LANE>, ROWS>;
    var total: array<f32, ROWS>;
    for (var r = 0u; r < ROWS; r++) {
      let first = min(row0 + before + r, u.rows - 1u) * u.groups;
      var sums = vec4f(0.0);
      for (var k = 0u; k < PER_LANE; k++) {
        let c = lane + k * LANES;
        d[r][k] = select(vec4f(0.0), vec4f(x[first + min(c, last)]), c <= last);
        sums += d[r][k];
      }
      total[r] = dot(sums, vec4f(1.0));
    }
    var center: array<f32, ROWS>;
    var offset: array<f32, ROWS>;
    var scale: array<f32, ROWS>;
    for (var r = 0u; r < ROWS; r++) {
      center[r] = subgroupAdd(total[r]) / columns;
      var shifts = vec4f(0.0);
      var squares = vec4f(0.0);
      for (var k = 0u; k < PER_LANE; k++) {
        d[r][k] = select(vec4f(0.0), d[r][k] - center[r], lane + k * LANES <= last);
        shifts += d[r][k];
        squares += d[r][k] * d[r][k];
      }
      offset[r] = subgroupAdd(dot(shifts, vec4f(1.0))) / columns;
      scale[r] = inverseSqrt(subgroupAdd(dot(squares, vec4f(1.0))) / columns - offset[r] * offset[r] + u.eps);
    }
    for (var r = 0u; r < ROWS; r++) {
      let row = row0 + before + r;
      if (row >= u.rows) { continue; }
      for (var k = 0u; k < PER_LANE; k++) {
        let c = lane + k * LANES;
        if (c <= last) { y[row * u.groups + c] = Vec4((d[r][k] - offset[r]) * scale[r] * w[k] + b[k]); }
      }
      if (lane == 0u) {
        mean[row] = center[r] + offset[r];
        rstd[row] = scale[r];
      }
    }
  }
}
