// The formula of gather.wgsl for one group, as a matrix product: pixels x (taps, channels) times (taps, channels) x outputs.
//
// gatherSubgroup.wgsl for subgroups of four lanes (SwiftShader): a workgroup is one subgroup and owns 16 pixels x 4 groups of four output
// channels. Lane i loads four channels of pixels i, i + 4, i + 8 and i + 12; each lane owns four output channels of all the pixels. On software
// adapters a load is a gather, lane by lane, and dearer than many products, so none is done twice: lanes exchange pixels by quadSwap, which is
// one instruction per number where quadBroadcast is a dozen. Hence sum 4g + j of lane i is that of pixel 4g + (i ^ j).
//
// SwiftShader runs both sides of every branch under masks, blends all variables of a loop under its mask each turn, and runs the body of a `for` once
// more than it turns, masked. So loops end in `break if`, and the sums are an array that the last loop indexes: it stays in memory, untouched
// by the loop over taps.
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
// #include "common/only.wgsl"

const LANES = 4u;
const PIXELS = 16u;

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

  var sums: array<vec4f, 16>;
  let taps = u.kernelHeight * u.kernelWidth;
  var tap = 0;
  var ky = 0;
  var kx = 0;
  loop {
    let tapX = kx * u.tapX + u.offsetX;
    let tapY = ky * u.tapY + u.offsetY;
    let exists = (phaseY * u.multiplyY + tapY) % u.divideY == 0 && (phaseX * u.multiplyX + tapX) % u.divideX == 0;
    let source0 = baseOf(place0, tapX, tapY);
    let source1 = baseOf(place1, tapX, tapY);
    let source2 = baseOf(place2, tapX, tapY);
    let source3 = baseOf(place3, tapX, tapY);
    if (exists & subgroupAny(max(max(source0, source1), max(source2, source3)) >= 0)) {
      let at0 = u32(max(source0, 0));
      let at1 = u32(max(source1, 0));
      let at2 = u32(max(source2, 0));
      let at3 = u32(max(source3, 0));
      var at = u32(tap) * u.fromChannels4 * 4u * u.toChannels4 + loadColumn;
      var c = 0u;
      loop {
        let w0 = vec4f(weight[at]);
        let w1 = vec4f(weight[at + u.toChannels4]);
        let w2 = vec4f(weight[at + u.toChannels4 * 2u]);
        let w3 = vec4f(weight[at + u.toChannels4 * 3u]);
        let a0 = only(vec4f(source[at0 + c]), source0 >= 0);
        sums[0] = plus(sums[0], a0, w0, w1, w2, w3);
        sums[1] = plus(sums[1], quadSwapX(a0), w0, w1, w2, w3);
        sums[2] = plus(sums[2], quadSwapY(a0), w0, w1, w2, w3);
        sums[3] = plus(sums[3], quadSwapDiagonal(a0), w0, w1, w2, w3);
        let a1 = only(vec4f(source[at1 + c]), source1 >= 0);
        sums[4] = plus(sums[4], a1, w0, w1, w2, w3);
        sums[5] = plus(sums[5], quadSwapX(a1), w0, w1, w2, w3);
        sums[6] = plus(sums[6], quadSwapY(a1), w0, w1, w2, w3);
        sums[7] = plus(sums[7], quadSwapDiagonal(a1), w0, w1, w2, w3);
        let a2 = only(vec4f(source[at2 + c]), source2 >= 0);
        sums[8] = plus(sums[8], a2, w0, w1, w2, w3);
        sums[9] = plus(sums[9], quadSwapX(a2), w0, w1, w2, w3);
        sums[10] = plus(sums[10], quadSwapY(a2), w0, w1, w2, w3);
        sums[11] = plus(sums[11], quadSwapDiagonal(a2), w0, w1, w2, w3);
        let a3 = only(vec4f(source[at3 + c]), source3 >= 0);
        sums[12] = plus(sums[12], a3, w0, w1, w2, w3);
        sums[13] = plus(sums[13], quadSwapX(a3), w0, w1, w2, w3);
        sums[14] = plus(sums[14], quadSwapY(a3), w0, w1, w2, w3);
        sums[15] = plus(sums[15], quadSwapDiagonal(a3), w0, w1, w2, w3);
        continuing {
          at += u.toChannels4 * 4u;
          c++;
          break if c >= u.fromChannels4;
        }
      }
    }
    continuing {
      kx++;
      let next = select(0, 1, kx == u.kernelWidth);
      ky += next;
      kx -= next * u.kernelWidth;
      tap++;
      break if tap >= taps;
    }
  }

  var shift = vec4f(0.0);
  if (u.hasBias != 0u) { shift = bias[loadColumn % u.biasChannels4]; }
  let to0 = targetOf(place0);
  let to1 = targetOf(place1);
  let to2 = targetOf(place2);
  let to3 = targetOf(place3);
  var to = array<u32, 16>(
    to0, quadSwapX(to0), quadSwapY(to0), quadSwapDiagonal(to0),
    to1, quadSwapX(to1), quadSwapY(to1), quadSwapDiagonal(to1),
    to2, quadSwapX(to2), quadSwapY(to2), quadSwapDiagonal(to2),
    to3, quadSwapX(to3), quadSwapY(to3), quadSwapDiagonal(to3),
  );
  var i = 0u;
  loop {
    storeSum(to[i], column, sums[i] + shift);
    continuing {
      i++;
      break if i >= PIXELS;
    }
  }
}
