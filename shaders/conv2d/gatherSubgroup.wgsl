// The formula of gather.wgsl for one group, as a matrix product: pixels x (taps, channels) times (taps, channels) x outputs.
//
// matmul/subgroup.wgsl with its rows gathered, for adapters whose subgroups have eight lanes (lavapipe): a workgroup is one subgroup and owns
// 32 pixels of 8 groups of four output channels, whose sums lie in memory of its own. Lane i loads four channels of pixels i, i + 8 and
// so on and hands them round by shuffles; each number that was loaded is used 32 times, for a load costs far more than a product.
// Eights of pixels that have nothing under a tap are skipped. The phases, the layout of `weight` and the fours are those of gatherLanes.wgsl.
// Control flow that depends on the workgroup and uniforms only is uniform, which WGSL's analysis cannot see.

enable subgroups;
diagnostic(off, subgroup_uniformity);

// #include "common/grid.wgsl"
// #include "common/gatherProduct.wgsl"
// #include "common/gatherPhases.wgsl"

@compute @workgroup_size(8)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups);
  if (index >= u.workgroups) { return; }
  let column = (index % u.columns) * 8u + lane;
  let loadColumn = min(column, u.toChannels4 - 1u);
  let tile = index / u.columns;
  let phase = i32(tile / u.phaseTiles);
  let phaseX = phase % u.divideX;
  let phaseY = phase / u.divideX;
  let pixel = (tile % u.phaseTiles) * 32u;
  let place0 = placeOf(pixel + lane, phaseX, phaseY);
  let place1 = placeOf(pixel + 8u + lane, phaseX, phaseY);
  let place2 = placeOf(pixel + 16u + lane, phaseX, phaseY);
  let place3 = placeOf(pixel + 24u + lane, phaseX, phaseY);

  var sums: array<vec4f, 33>;
  for (var ky = 0; ky < u.kernelHeight; ky++) {
    let tapY = ky * u.tapY + u.offsetY;
    if ((phaseY * u.multiplyY + tapY) % u.divideY != 0) { continue; }
    for (var kx = 0; kx < u.kernelWidth; kx++) {
      let tapX = kx * u.tapX + u.offsetX;
      if ((phaseX * u.multiplyX + tapX) % u.divideX != 0) { continue; }
      let source0 = baseOf(place0, tapX, tapY);
      let source1 = baseOf(place1, tapX, tapY);
      let source2 = baseOf(place2, tapX, tapY);
      let source3 = baseOf(place3, tapX, tapY);
      let inside0 = source0 >= 0;
      let inside1 = source1 >= 0;
      let inside2 = source2 >= 0;
      let inside3 = source3 >= 0;
      let any1 = subgroupAny(inside1);
      let any2 = subgroupAny(inside2);
      let any3 = subgroupAny(inside3);
      if (!(any1 || any2 || any3 || subgroupAny(inside0))) { continue; }
      let base0 = u32(max(source0, 0));
      let base1 = u32(max(source1, 0));
      let base2 = u32(max(source2, 0));
      let base3 = u32(max(source3, 0));
      var at = u32(ky * u.kernelWidth + kx) * u.fromChannels4 * 4u * u.toChannels4 + loadColumn;
      for (var c = 0u; c < u.fromChannels4; c++) {
        let w0 = vec4f(weight[at]);
        let w1 = vec4f(weight[at + u.toChannels4]);
        let w2 = vec4f(weight[at + u.toChannels4 * 2u]);
        let w3 = vec4f(weight[at + u.toChannels4 * 3u]);
        at += u.toChannels4 * 4u;
        let a0 = select(vec4f(0.0), vec4f(source[base0 + c]), inside0);
        sums[0] = plus(sums[0], subgroupShuffle(a0, 0u), w0, w1, w2, w3);
        sums[1] = plus(sums[1], subgroupShuffle(a0, 1u), w0, w1, w2, w3);
        sums[2] = plus(sums[2], subgroupShuffle(a0, 2u), w0, w1, w2, w3);
        sums[3] = plus(sums[3], subgroupShuffle(a0, 3u), w0, w1, w2, w3);
        sums[4] = plus(sums[4], subgroupShuffle(a0, 4u), w0, w1, w2, w3);
        sums[5] = plus(sums[5], subgroupShuffle(a0, 5u), w0, w1, w2, w3);
        sums[6] = plus(sums[6], subgroupShuffle(a0, 6u), w0, w1, w2, w3);
        sums[7] = plus(sums[7], subgroupShuffle(a0, 7u), w0, w1, w2, w3);
        if (any1) {
          let a1 = select(vec4f(0.0), vec4f(source[base1 + c]), inside1);
          sums[8] = plus(sums[8], subgroupShuffle(a1, 0u), w0, w1, w2, w3);
          sums[9] = plus(sums[9], subgroupShuffle(a1, 1u), w0, w1, w2, w3);
          sums[10] = plus(sums[10], subgroupShuffle(a1, 2u), w0, w1, w2, w3);
          sums[11] = plus(sums[11], subgroupShuffle(a1, 3u), w0, w1, w2, w3);
          sums[12] = plus(sums[12], subgroupShuffle(a1, 4u), w0, w1, w2, w3);
          sums[13] = plus(sums[13], subgroupShuffle(a1, 5u), w0, w1, w2, w3);
          sums[14] = plus(sums[14], subgroupShuffle(a1, 6u), w0, w1, w2, w3);
          sums[15] = plus(sums[15], subgroupShuffle(a1, 7u), w0, w1, w2, w3);
        }
        if (any2) {
          let a2 = select(vec4f(0.0), vec4f(source[base2 + c]), inside2);
          sums[16] = plus(sums[16], subgroupShuffle(a2, 0u), w0, w1, w2, w3);
          sums[17] = plus(sums[17], subgroupShuffle(a2, 1u), w0, w1, w2, w3);
          sums[18] = plus(sums[18], subgroupShuffle(a2, 2u), w0, w1, w2, w3);
          sums[19] = plus(sums[19], subgroupShuffle(a2, 3u), w0, w1, w2, w3);
          sums[20] = plus(sums[20], subgroupShuffle(a2, 4u), w0, w1, w2, w3);
          sums[21] = plus(sums[21], subgroupShuffle(a2, 5u), w0, w1, w2, w3);
          sums[22] = plus(sums[22], subgroupShuffle(a2, 6u), w0, w1, w2, w3);
          sums[23] = plus(sums[23], subgroupShuffle(a2, 7u), w0, w1, w2, w3);
        }
        if (any3) {
          let a3 = select(vec4f(0.0), vec4f(source[base3 + c]), inside3);
          sums[24] = plus(sums[24], subgroupShuffle(a3, 0u), w0, w1, w2, w3);
          sums[25] = plus(sums[25], subgroupShuffle(a3, 1u), w0, w1, w2, w3);
          sums[26] = plus(sums[26], subgroupShuffle(a3, 2u), w0, w1, w2, w3);
          sums[27] = plus(sums[27], subgroupShuffle(a3, 3u), w0, w1, w2, w3);
          sums[28] = plus(sums[28], subgroupShuffle(a3, 4u), w0, w1, w2, w3);
          sums[29] = plus(sums[29], subgroupShuffle(a3, 5u), w0, w1, w2, w3);
          sums[30] = plus(sums[30], subgroupShuffle(a3, 6u), w0, w1, w2, w3);
          sums[31] = plus(sums[31], subgroupShuffle(a3, 7u), w0, w1, w2, w3);
        }
      }
    }
  }

  let to0 = targetOf(place0);
  let to1 = targetOf(place1);
  let to2 = targetOf(place2);
  let to3 = targetOf(place3);
  var shift = vec4f(0.0);
  if (u.hasBias != 0u) { shift = bias[loadColumn % u.biasChannels4]; }
  // Not a count to 32, and a 33rd sum, or Mesa compiles the store 32 times: see matmul/subgroup.wgsl.
  let end = min(pixel + 32u, u.phaseWidth * u.phaseHeight * u.batch);
  for (var p = pixel; p < end; p++) {
    let low = select(subgroupShuffle(to1, p % 8u), subgroupShuffle(to0, p % 8u), p - pixel < 8u);
    let high = select(subgroupShuffle(to3, p % 8u), subgroupShuffle(to2, p % 8u), p - pixel < 24u);
    let to = select(high, low, p - pixel < 16u);
    if (to == NONE || column >= u.toChannels4) { continue; }
    finish(to * u.toChannels4 + column, sums[p - pixel] + shift);
  }
}
