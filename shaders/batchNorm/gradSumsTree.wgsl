// gradSums.wgsl for GPUs: partial sums of the parameters' gradients over the rows of a chunk, gradWeight, gradBias [chunks, columns].
//
// A workgroup of 256 lanes owns COLUMNS items of a chunk (common/columnTree.wgsl), a lane two rows at a time: four loads are under way.
// reduce/sumPairTree.wgsl adds the chunks up. columns counts items.
// RELU: gradY belongs to y = relu(…) and passes where y is not 0; what passed is kept in masked. Without it neither binding is touched.

// #include "common/grid.wgsl"
// #include "common/width.wgsl"
// #include "common/columnTree.wgsl"
// #include "common/reluItem.wgsl"

override RELU: u32 = 0u;

struct Uniforms { rows: u32, columns: u32, chunks: u32, blocks: u32, workgroups: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> gradY: array<Item>;
@group(0) @binding(2) var<storage, read> x: array<Item>;
@group(0) @binding(3) var<storage, read> mean: array<Number>;
@group(0) @binding(4) var<storage, read> rstd: array<Number>;
@group(0) @binding(5) var<storage, read_write> gradWeight: array<Number>;
@group(0) @binding(6) var<storage, read_write> gradBias: array<Number>;
@group(0) @binding(7) var<storage, read> y: array<Item>;
@group(0) @binding(8) var<storage, read_write> masked: array<Item>;

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
  let center = mean[at];
  var product0 = Number(0.0);
  var product1 = Number(0.0);
  var sum0 = Number(0.0);
  var sum1 = Number(0.0);
  // Lanes past the last column have no rows.
  var row = select(u.rows, chunk * (256u / COLUMNS) + lane / COLUMNS, column < u.columns);
  for (; row + stride < u.rows; row += 2u * stride) {
    let first = row * u.columns + at;
    let second = (row + stride) * u.columns + at;
    var g0 = Number(gradY[first]);
    var g1 = Number(gradY[second]);
    let x0 = Number(x[first]);
    let x1 = Number(x[second]);
    if (RELU != 0u) {
      g0 *= reluSlope(Number(y[first]));
      g1 *= reluSlope(Number(y[second]));
      masked[first] = Item(g0);
      masked[second] = Item(g1);
    }
    sum0 += g0;
    sum1 += g1;
    product0 += g0 * (x0 - center);
    product1 += g1 * (x1 - center);
  }
  if (row < u.rows) {
    let first = row * u.columns + at;
    var g = Number(gradY[first]);
    if (RELU != 0u) {
      g *= reluSlope(Number(y[first]));
      masked[first] = Item(g);
    }
    sum0 += g;
    product0 += g * (Number(x[first]) - center);
  }
  let product = columnTotal(lane, product0 + product1);
  let sum = columnTotal(lane, sum0 + sum1);
  if (lane >= COLUMNS || column >= u.columns) { return; }
  gradWeight[chunk * u.columns + column] = product * rstd[at];
  gradBias[chunk * u.columns + column] = sum;
}
