// The formula of gather.wgsl for one group, as a matrix product: pixels x (taps, channels) times (taps, channels) x outputs.
//
// For GPUs. A workgroup of 256 threads owns 1024 / COLUMNS pixels x COLUMNS groups of four output channels (COLUMNS 16, 8 or 4, to
// suit the number of channels); a thread owns four pixels x one group. For each tap it goes through the channels COLUMNS at a time:
// every thread puts one vec4f of pixels into workgroup memory, the first COLUMNS * COLUMNS one of weights, and all multiply.
// Pixels are taken in `divideY * divideX` phases of equal parity as in gatherLanes.wgsl, where the packing of weights is explained.
// fromChannels and toChannels are multiples of four. COLUMNS comes from the generated constants.

// #include "common/grid.wgsl"
// #include "common/gatherProduct.wgsl"
// #include "common/gatherPlaces.wgsl"
// #constant COLUMNS

const PIXELS = 1024 / COLUMNS;
const DEPTH4 = COLUMNS / 4;

// pixelTile[channel * PIXELS + pixel], weightTile[channel * COLUMNS + column]
var<workgroup> pixelTile: array<f32, 1024>;
var<workgroup> weightTile: array<vec4f, COLUMNS * COLUMNS>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups);
  if (index >= u.workgroups) { return; }
  let firstColumn = (index % u.columns) * COLUMNS;
  let tile = index / u.columns;
  let phase = i32(tile / u.phaseTiles);
  let phaseX = phase % u.divideX;
  let phaseY = phase / u.divideX;
  let firstPixel = (tile % u.phaseTiles) * PIXELS;

  // What this thread loads: DEPTH4 threads per pixel; COLUMNS threads per channel of weights.
  let loadPixel = thread / DEPTH4;
  let loadDepth4 = thread % DEPTH4;
  let mine = placeOf(firstPixel + loadPixel, phaseX, phaseY);
  let loadChannel = thread / COLUMNS;
  let loadColumn = firstColumn + thread % COLUMNS;
  // What it multiplies.
  let column = thread % COLUMNS;
  let pixel = thread / COLUMNS * 4u;

  var sum0 = vec4f(0.0);
  var sum1 = vec4f(0.0);
  var sum2 = vec4f(0.0);
  var sum3 = vec4f(0.0);
  for (var ky = 0; ky < u.kernelHeight; ky++) {
    if ((phaseY * u.multiplyY + ky * u.tapY + u.offsetY) % u.divideY != 0) { continue; }
    let atY = mine.y * u.multiplyY + ky * u.tapY + u.offsetY;
    let fromY = atY / u.divideY;
    for (var kx = 0; kx < u.kernelWidth; kx++) {
      if ((phaseX * u.multiplyX + kx * u.tapX + u.offsetX) % u.divideX != 0) { continue; }
      let atX = mine.x * u.multiplyX + kx * u.tapX + u.offsetX;
      let fromX = atX / u.divideX;
      let inside = mine.exists && atY >= 0 && fromY < u.fromHeight && atX >= 0 && fromX < u.fromWidth;
      let fromPixel = select(0u, u32((i32(mine.image) * u.fromHeight + fromY) * u.fromWidth + fromX), inside);
      let tap = u32(ky * u.kernelWidth + kx);
      for (var c = 0u; c < u.fromChannels4; c += DEPTH4) {
        var value = vec4f(0.0);
        if (inside && c + loadDepth4 < u.fromChannels4) { value = vec4f(source[fromPixel * u.fromChannels4 + c + loadDepth4]); }
        let slot = loadDepth4 * 4u * PIXELS + loadPixel;
        pixelTile[slot] = value.x;
        pixelTile[slot + PIXELS] = value.y;
        pixelTile[slot + 2u * PIXELS] = value.z;
        pixelTile[slot + 3u * PIXELS] = value.w;
        if (thread < COLUMNS * COLUMNS) {
          let channel = c * 4u + loadChannel;
          var w = vec4f(0.0);
          if (channel < u.fromChannels4 * 4u && loadColumn < u.toChannels4) {
            w = vec4f(weight[(tap * u.fromChannels4 * 4u + channel) * u.toChannels4 + loadColumn]);
          }
          weightTile[thread] = w;
        }
        workgroupBarrier();
        for (var k = 0u; k < COLUMNS; k++) {
          let w = weightTile[k * COLUMNS + column];
          let at = k * PIXELS + pixel;
          sum0 = fma(w, vec4f(pixelTile[at]), sum0);
          sum1 = fma(w, vec4f(pixelTile[at + 1u]), sum1);
          sum2 = fma(w, vec4f(pixelTile[at + 2u]), sum2);
          sum3 = fma(w, vec4f(pixelTile[at + 3u]), sum3);
        }
        workgroupBarrier();
      }
    }
  }

  store(firstPixel + pixel, phaseX, phaseY, firstColumn + column, sum0);
  store(firstPixel + pixel + 1u, phaseX, phaseY, firstColumn + column, sum1);
  store(firstPixel + pixel + 2u, phaseX, phaseY, firstColumn + column, sum2);
  store(firstPixel + pixel + 3u, phaseX, phaseY, firstColumn + column, sum3);
}
