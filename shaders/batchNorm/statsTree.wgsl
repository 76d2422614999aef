// stats.wgsl for GPUs: mean and sum of squared deviations of each channel over the rows of a chunk, means, squares [chunks, columns].
//
// A workgroup of 256 lanes owns COLUMNS items of a chunk (common/columnTree.wgsl). A lane takes four rows at a time, so that four loads are
// under way: their own mean and squared deviations enter its running ones by Chan, Golub and LeVeque (1979), one division for four rows, with
// no cancellation however far the mean is from zero. A tree in the same way merges the lanes of a column. Rows of chunk k are those r with
// (r / (256 / COLUMNS)) % chunks = k; batchNorm/finishTree.wgsl counts them the same way. columns counts items.

// #include "common/grid.wgsl"
// #include "common/width.wgsl"

override COLUMNS: u32 = 16u;

struct Uniforms { rows: u32, columns: u32, chunks: u32, blocks: u32, workgroups: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<Item>;
@group(0) @binding(2) var<storage, read_write> means: array<Number>;
@group(0) @binding(3) var<storage, read_write> squares: array<Number>;

var<workgroup> laneCount: array<f32, 256>;
var<workgroup> laneMean: array<Number, 256>;
var<workgroup> laneSquare: array<Number, 256>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups);
  if (index >= u.workgroups) { return; }
  let column = (index % u.blocks) * COLUMNS + lane % COLUMNS;
  let chunk = index / u.blocks;
  let at = min(column, u.columns - 1u);
  let stride = u.chunks * (256u / COLUMNS);
  // About the channel's first value, as stats.wgsl.
  let pivot = Number(x[at]);
  var mean = Number(0.0);
  var square = Number(0.0);
  var count = 0.0;
  var row = chunk * (256u / COLUMNS) + lane / COLUMNS;
  for (; row + 3u * stride < u.rows; row += 4u * stride) {
    let a = Number(x[row * u.columns + at]) - pivot;
    let b = Number(x[(row + stride) * u.columns + at]) - pivot;
    let c = Number(x[(row + 2u * stride) * u.columns + at]) - pivot;
    let d = Number(x[(row + 3u * stride) * u.columns + at]) - pivot;
    // Deviations from one of the four keep their mean exact.
    let middle = a + 0.25 * ((b - a) + (c - a) + (d - a));
    let spread = (a - middle) * (a - middle) + (b - middle) * (b - middle) + (c - middle) * (c - middle) + (d - middle) * (d - middle);
    let apart = middle - mean;
    let share = 4.0 / (count + 4.0);
    mean += apart * share;
    square += spread + apart * apart * (count * share);
    count += 4.0;
  }
  for (; row < u.rows; row += stride) {
    let value = Number(x[row * u.columns + at]) - pivot;
    count += 1.0;
    let before = value - mean;
    mean += before / count;
    square += before * (value - mean);
  }
  laneCount[lane] = count;
  laneMean[lane] = mean;
  laneSquare[lane] = square;
  for (var width = 128u; width >= COLUMNS; width /= 2u) {
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
  if (lane >= COLUMNS || column >= u.columns) { return; }
  means[chunk * u.columns + column] = pivot + laneMean[lane];
  squares[chunk * u.columns + column] = laneSquare[lane];
}
