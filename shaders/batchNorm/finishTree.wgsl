// finish.wgsl for GPUs: merges the chunks that statsTree.wgsl left, [chunks, columns], into the statistics that x is normalized with. See
// finish.wgsl for the formula; training only.
//
// A workgroup of 256 lanes owns eight channels, a lane every 32nd chunk of one; a tree merges the lanes (Chan, Golub and LeVeque 1979).
// `group` is the rows that a chunk takes at a time: chunk k holds the rows r with (r / group) % chunks = k.

// #include "common/grid.wgsl"

struct Uniforms { rows: u32, columns: u32, chunks: u32, group: u32, eps: f32, momentum: f32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> means: array<f32>;
@group(0) @binding(2) var<storage, read> squares: array<f32>;
@group(0) @binding(3) var<storage, read_write> runningMean: array<f32>;
@group(0) @binding(4) var<storage, read_write> runningVar: array<f32>;
@group(0) @binding(5) var<storage, read_write> mean: array<f32>;
@group(0) @binding(6) var<storage, read_write> rstd: array<f32>;
// [1]: how many batches entered the running statistics.
@group(0) @binding(7) var<storage, read_write> batches: array<f32>;

const CHANNELS = 8u;

var<workgroup> laneCount: array<f32, 256>;
var<workgroup> laneMean: array<f32, 256>;
var<workgroup> laneSquare: array<f32, 256>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let first = linearWorkgroup(workgroup, workgroups) * CHANNELS;
  if (first >= u.columns) { return; }
  let c = first + lane % CHANNELS;
  let at = min(c, u.columns - 1u);
  let turn = u.chunks * u.group;
  let origin = means[at];
  var count = 0.0;
  var center = 0.0;
  var square = 0.0;
  for (var k = lane / CHANNELS; k < u.chunks; k += 256u / CHANNELS) {
    // Whole turns over all chunks, and what the last, unfinished turn leaves for this one.
    let left = u.rows % turn;
    let last = select(0u, min(left - min(left, k * u.group), u.group), left > k * u.group);
    let rows = f32(u.rows / turn * u.group + last);
    if (rows > 0.0) {
      let apart = (means[k * u.columns + at] - origin) - center;
      let share = rows / (count + rows);
      square += squares[k * u.columns + at] + apart * apart * (count * share);
      center += apart * share;
      count += rows;
    }
  }
  laneCount[lane] = count;
  laneMean[lane] = center;
  laneSquare[lane] = square;
  for (var width = 128u; width >= CHANNELS; width /= 2u) {
    workgroupBarrier();
    if (lane < width) {
      let other = laneCount[lane + width];
      let apart = laneMean[lane + width] - laneMean[lane];
      let share = other / max(laneCount[lane] + other, 1.0);
      laneMean[lane] += apart * share;
      laneSquare[lane] += laneSquare[lane + width] + apart * apart * (laneCount[lane] * share);
      laneCount[lane] += other;
    }
  }
  if (lane >= CHANNELS || c >= u.columns) { return; }
  let total = origin + laneMean[lane];
  let spread = laneSquare[lane];
  mean[c] = total;
  rstd[c] = inverseSqrt(spread / f32(u.rows) + u.eps);
  runningMean[c] = mix(runningMean[c], total, u.momentum);
  runningVar[c] = mix(runningVar[c], spread / f32(u.rows - 1u), u.momentum);
  if (c == 0u) { batches[0] += 1.0; }
}
