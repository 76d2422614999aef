// The formula of gather.wgsl for one group, as a matrix product: pixels x (taps, channels) times (taps, channels) x outputs.
//
// For GPUs with matrix units (see common/matrixTile.wgsl): a workgroup owns 64 pixels x 64 output channels and goes for each tap through
// the channels DEPTH at a time. Pixels are taken in `divideY * divideX` phases of equal parity as in gatherLanes.wgsl, where the packing of
// weights is explained. fromChannels and toChannels are multiples of four.

diagnostic(off, chromium.subgroup_matrix_uniformity);
enable subgroups;
enable chromium_experimental_subgroup_matrix;

// #include "common/grid.wgsl"
// #include "common/gatherProduct.wgsl"
// #include "common/gatherPlaces.wgsl"
// #include "common/matrixTile.wgsl"

const A_ROW = DEPTH + 8u;
var<workgroup> tileA: array<Scalar, 64u * A_ROW>;

fn leftOf(row: u32, k: u32) -> Left {
  return leftAt(row * A_ROW + k, A_ROW);
}

// Fours that a thread brings of each tile.
const LOADS = 16u * DEPTH / THREADS;

// #include "common/subgroup.wgsl"
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,
  @builtin(subgroup_id) subgroup: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups);
  if (index >= u.workgroups) { return; }
  let firstColumn = (index % u.columns) * 16u;
  let tile = index / u.columns;
  let phase = i32(tile / u.phaseTiles);
  let phaseX = phase % u.divideX;
  let phaseY = phase / u.divideX;
  let firstPixel = (tile % u.phaseTiles) * 64u;

  var places: array<Place, LOADS>;
  for (var load = 0u; load < LOADS; load++) {
    places[load] = placeOf(firstPixel + (thread + load * THREADS) / (DEPTH / 4u), phaseX, phaseY);
  }

  var sums: Quadrant;
  for (var ky = 0; ky < u.kernelHeight; ky++) {
    if ((phaseY * u.multiplyY + ky * u.tapY + u.offsetY) % u.divideY != 0) { continue; }
    for (var kx = 0; kx < u.kernelWidth; kx++) {
      if ((phaseX * u.multiplyX + kx * u.tapX + u.offsetX) % u.divideX != 0) { continue; }
      let tap = u32(ky * u.kernelWidth + kx);
      for (var c = 0u; c < u.fromChannels4; c += DEPTH / 4u) {
        for (var load = 0u; load < LOADS; load++) {
          let i = thread + load * THREADS;
          let place = places[load];
          let atY = place.y * u.multiplyY + ky * u.tapY + u.offsetY;
          let fromY = atY / u.divideY;
          let atX = place.x * u.multiplyX + kx * u.tapX + u.offsetX;
          let fromX = atX / u.divideX;
          let channel4 = c + i % (DEPTH / 4u);
          var value = Vec4();
          if (place.exists && channel4 < u.fromChannels4 && atY >= 0 && fromY < u.fromHeight && atX >= 0 && fromX < u.fromWidth) {
            let pixel = u32((i32(place.image) * u.fromHeight + fromY) * u.fromWidth + fromX);
            value = source[pixel * u.fromChannels4 + channel4];
          }
          bringA(i / (DEPTH / 4u) * A_ROW + i % (DEPTH / 4u) * 4u, value);

          let channel = c * 4u + i / 16u;
          let column = firstColumn + i % 16u;
          value = Vec4();
          if (channel < u.fromChannels4 * 4u && column < u.toChannels4) {
            value = weight[(tap * u.fromChannels4 * 4u + channel) * u.toChannels4 + column];
          }
          bringB(i / 16u, i % 16u, value);
        }
        workgroupBarrier();
        multiplyTiles(&sums, subgroup);
        workgroupBarrier();
      }
    }
  }

  for (var matrix = 0u; matrix < DOWN * ACROSS; matrix++) {
    stageQuadrant(subgroup, &sums, matrix);
    workgroupBarrier();
    for (var each = thread; each < STAGED; each += THREADS) {
      let four = staged(matrix, each);
      store(firstPixel + four.row, phaseX, phaseY, firstColumn + four.column / 4u, four.value);
    }
    workgroupBarrier();
  }
}
