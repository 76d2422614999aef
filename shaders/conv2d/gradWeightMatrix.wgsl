// partial[c, ky, kx, i, o] = sum over the output pixels p of chunk c of x[n, py * stride + ky * dilation - padding, …, i] * gradOutput[p, o]
//
// One group; for GPUs with matrix units (see common/matrixTile.wgsl). A chunk is a run of `run` neighboring output pixels; reduce/sum
// adds the chunks up in order. It is a matrix product, (ky, kx, i) x pixels times pixels x o: a workgroup owns 64 rows x 64 columns of
// one chunk. A thread brings the same four rows and columns of pixel after pixel. Channels are in fours.

diagnostic(off, chromium.subgroup_matrix_uniformity);
enable subgroups;
enable chromium_experimental_subgroup_matrix;

// #include "common/grid.wgsl"
// #include "common/gradWeightProduct.wgsl"
// #include "common/matrixTile.wgsl"

var<workgroup> tileA: array<Scalar, DEPTH * ROW>;

fn leftOf(row: u32, k: u32) -> Left {
  return leftTransposedAt(k * ROW + row, ROW);
}

// #include "common/subgroup.wgsl"
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,
  @builtin(subgroup_id) subgroup: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups);
  if (index >= u.workgroups) { return; }
  let quad = thread % 16u;
  let firstColumn = (index % u.columns) * 16u;
  let firstRow = (index / u.columns) % u.rows * 16u;
  let chunk = index / (u.columns * u.rows);
  let first = chunk * u.run;
  let end = min(first + u.run, u.pixels);

  let loadRow = firstRow + quad;
  let loadColumn = firstColumn + quad;
  let tap = loadRow / u.inChannels4;
  let loadChannel = loadRow % u.inChannels4;
  let shiftX = i32(tap % u.kernelWidth) * u.dilationX - u.paddingX;
  let shiftY = i32(tap / u.kernelWidth) * u.dilationY - u.paddingY;

  var sums: Quadrant;
  for (var p = first; p < end; p += DEPTH) {
    for (var k = thread / 16u; k < DEPTH; k += THREADS / 16u) {
      let pixel = p + k;
      var value = Vec4();
      var gradient = Vec4();
      if (pixel < end) {
        let outPixel = i32(pixel);
        let atX = (outPixel % u.outWidth) * u.strideX + shiftX;
        let atY = ((outPixel / u.outWidth) % u.outHeight) * u.strideY + shiftY;
        if (tap < u.taps && atX >= 0 && atX < u.inWidth && atY >= 0 && atY < u.inHeight) {
          let image = outPixel / (u.outWidth * u.outHeight);
          value = x[u32((image * u.inHeight + atY) * u.inWidth + atX) * u.inChannels4 + loadChannel];
        }
        if (loadColumn < u.outChannels4) { gradient = gradOutput[pixel * u.outChannels4 + loadColumn]; }
      }
      bringA(k * ROW + quad * 4u, value);
      bringB(k, quad, gradient);
    }
    workgroupBarrier();
    multiplyTiles(&sums, subgroup);
    workgroupBarrier();
  }

  for (var matrix = 0u; matrix < DOWN * ACROSS; matrix++) {
    stageQuadrant(subgroup, &sums, matrix);
    workgroupBarrier();
    for (var each = thread; each < STAGED; each += THREADS) {
      let four = staged(matrix, each);
      let row = firstRow * 4u + four.row;
      let column = firstColumn + four.column / 4u;
      if (row < u.taps * u.inChannels4 * 4u && column < u.outChannels4) {
        partial[(chunk * u.taps * u.inChannels4 * 4u + row) * u.outChannels4 + column] = four.value;
      }
    }
    workgroupBarrier();
  }
}
