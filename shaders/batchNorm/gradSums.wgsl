// Partial sums of the parameters' gradients over the rows r = k, k + chunks, … of chunk k:
// gradWeight[k, c] = sum of gradY[r, c] * (x[r, c] - mean[c]) * rstd[c],  gradBias[k, c] = sum of gradY[r, c].
//
// A thread owns one item, that is one column or four neighboring ones, of one chunk (common/width.wgsl; `columns` counts items). A second, ordered pass adds the chunks up.
// RELU: gradY belongs to y = relu(…) and passes where y is not 0; what passed is kept in masked. Without it neither binding is touched.

// #include "common/grid.wgsl"
// #include "common/width.wgsl"
// #include "common/reluItem.wgsl"

override RELU: u32 = 0u;

struct Uniforms { rows: u32, columns: u32, chunks: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> gradY: array<Item>;
@group(0) @binding(2) var<storage, read> x: array<Item>;
@group(0) @binding(3) var<storage, read> mean: array<Number>;
@group(0) @binding(4) var<storage, read> rstd: array<Number>;
@group(0) @binding(5) var<storage, read_write> gradWeight: array<Number>;
@group(0) @binding(6) var<storage, read_write> gradBias: array<Number>;
@group(0) @binding(7) var<storage, read> y: array<Item>;
@group(0) @binding(8) var<storage, read_write> masked: array<Item>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = linearWorkgroup(workgroup, workgroups) * 64u + lane;
  if (i >= u.columns * u.chunks) { return; }
  let column = i % u.columns;
  let center = mean[column];
  var product = Number(0.0);
  var sum = Number(0.0);
  for (var row = i / u.columns; row < u.rows; row += u.chunks) {
    let at = row * u.columns + column;
    var g = Number(gradY[at]);
    if (RELU != 0u) {
      g *= reluSlope(Number(y[at]));
      masked[at] = Item(g);
    }
    sum += g;
    product += g * (Number(x[at]) - center);
  }
  gradWeight[i] = product * rstd[column];
  gradBias[i] = sum;
}
