// The formula of gather.wgsl for one group, as a matrix product: pixels x (taps, channels) times (taps, channels) x outputs.
//
// gatherSubgroup.wgsl for subgroups of four lanes (SwiftShader): a workgroup is one subgroup and owns 16 pixels x 4 groups of four output
// channels. Lane i loads four channels of pixels i, i + 4, i + 8 and i + 12, and quadBroadcast, which is one instruction, hands them to the
// lanes, each of which owns four output channels of all the pixels: on software adapters a load is a gather, lane by lane, and dearer than
// many products, so none is done twice. The loop has no branches, each of which would merge all sums under a mask.
//
// For strided transposed convolutions the pixels are taken in `divideY * divideX` phases of equal parity: then all of a workgroup agree on
// which taps exist, and those that do not cost nothing. `weight` is [taps, fromChannels, toChannels], packed for the purpose where
// the gather is transposed; fromChannels and toChannels are multiples of four. A tap under which none of a workgroup's pixels has anything is skipped.
// Control flow that depends on the workgroup and uniforms only is uniform, which WGSL's analysis cannot see.

enable subgroups;
diagnostic(off, subgroup_uniformity);

// #include "common/grid.wgsl"
// #include "common/gatherProduct.wgsl"
// #include "common/gatherPhases.wgsl"

const LANES = 4u;
const PIXELS = 16u;

fn quotient(at: i32, by: i32) -> i32 {
  return at / by;
}

fn storeSum(pixel: u32, column: u32, sum: vec4f) {
  if (pixel == NONE || column >= u.toChannels4) { return; }
  finish(pixel * u.toChannels4 + column, sum);
}

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups);
  if (index >= u.workgroups) { return; }
  let column = (index % u.columns) * LANES + lane;
  let loadColumn = min(column, u.toChannels4 - 1u);
  let tile = index / u.columns;
  let phase = i32(tile / u.phaseTiles);
  let phaseX = phase % u.divideX;
  let phaseY = phase / u.divideX;
  let pixel = (tile % u.phaseTiles) * PIXELS + lane;
  let place0 = placeOf(pixel, phaseX, phaseY);
  let place1 = placeOf(pixel + 4u, phaseX, phaseY);
  let place2 = placeOf(pixel + 8u, phaseX, phaseY);
  let place3 = placeOf(pixel + 12u, phaseX, phaseY);

  var sum0 = vec4f(0.0);
  var sum1 = vec4f(0.0);
  var sum2 = vec4f(0.0);
  var sum3 = vec4f(0.0);
  var sum4 = vec4f(0.0);
  var sum5 = vec4f(0.0);
  var sum6 = vec4f(0.0);
  var sum7 = vec4f(0.0);
  var sum8 = vec4f(0.0);
  var sum9 = vec4f(0.0);
  var sum10 = vec4f(0.0);
  var sum11 = vec4f(0.0);
  var sum12 = vec4f(0.0);
  var sum13 = vec4f(0.0);
  var sum14 = vec4f(0.0);
  var sum15 = vec4f(0.0);
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
      if (!subgroupAny(max(max(source0, source1), max(source2, source3)) >= 0)) { continue; }
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
        let a0 = select(vec4f(0.0), vec4f(source[base0 + c]), source0 >= 0);
        sum0 = plus(sum0, quadBroadcast(a0, 0u), w0, w1, w2, w3);
        sum1 = plus(sum1, quadBroadcast(a0, 1u), w0, w1, w2, w3);
        sum2 = plus(sum2, quadBroadcast(a0, 2u), w0, w1, w2, w3);
        sum3 = plus(sum3, quadBroadcast(a0, 3u), w0, w1, w2, w3);
        let a1 = select(vec4f(0.0), vec4f(source[base1 + c]), source1 >= 0);
        sum4 = plus(sum4, quadBroadcast(a1, 0u), w0, w1, w2, w3);
        sum5 = plus(sum5, quadBroadcast(a1, 1u), w0, w1, w2, w3);
        sum6 = plus(sum6, quadBroadcast(a1, 2u), w0, w1, w2, w3);
        sum7 = plus(sum7, quadBroadcast(a1, 3u), w0, w1, w2, w3);
        let a2 = select(vec4f(0.0), vec4f(source[base2 + c]), source2 >= 0);
        sum8 = plus(sum8, quadBroadcast(a2, 0u), w0, w1, w2, w3);
        sum9 = plus(sum9, quadBroadcast(a2, 1u), w0, w1, w2, w3);
        sum10 = plus(sum10, quadBroadcast(a2, 2u), w0, w1, w2, w3);
        sum11 = plus(sum11, quadBroadcast(a2, 3u), w0, w1, w2, w3);
        let a3 = select(vec4f(0.0), vec4f(source[base3 + c]), source3 >= 0);
        sum12 = plus(sum12, quadBroadcast(a3, 0u), w0, w1, w2, w3);
        sum13 = plus(sum13, quadBroadcast(a3, 1u), w0, w1, w2, w3);
        sum14 = plus(sum14, quadBroadcast(a3, 2u), w0, w1, w2, w3);
        sum15 = plus(sum15, quadBroadcast(a3, 3u), w0, w1, w2, w3);
      }
    }
  }

  var shift = vec4f(0.0);
  if (u.hasBias != 0u) { shift = bias[loadColumn % u.biasChannels4]; }
  let to0 = targetOf(place0);
  let to1 = targetOf(place1);
  let to2 = targetOf(place2);
  let to3 = targetOf(place3);
  storeSum(quadBroadcast(to0, 0u), column, sum0 + shift);
  storeSum(quadBroadcast(to0, 1u), column, sum1 + shift);
  storeSum(quadBroadcast(to0, 2u), column, sum2 + shift);
  storeSum(quadBroadcast(to0, 3u), column, sum3 + shift);
  storeSum(quadBroadcast(to1, 0u), column, sum4 + shift);
  storeSum(quadBroadcast(to1, 1u), column, sum5 + shift);
  storeSum(quadBroadcast(to1, 2u), column, sum6 + shift);
  storeSum(quadBroadcast(to1, 3u), column, sum7 + shift);
  storeSum(quadBroadcast(to2, 0u), column, sum8 + shift);
  storeSum(quadBroadcast(to2, 1u), column, sum9 + shift);
  storeSum(quadBroadcast(to2, 2u), column, sum10 + shift);
  storeSum(quadBroadcast(to2, 3u), column, sum11 + shift);
  storeSum(quadBroadcast(to3, 0u), column, sum12 + shift);
  storeSum(quadBroadcast(to3, 1u), column, sum13 + shift);
  storeSum(quadBroadcast(to3, 2u), column, sum14 + shift);
  storeSum(quadBroadcast(to3, 3u), column, sum15 + shift);
}
