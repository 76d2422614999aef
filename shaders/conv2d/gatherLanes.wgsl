// The formula of gather.wgsl for one group, as a matrix product: pixels x (taps, channels) times (taps, channels) x outputs.
//
// A workgroup is one subgroup of four lanes (SwiftShader) and owns as many pixels x as many groups of four output
// channels. Lane k loads four channels of pixel k, and subgroupBroadcast hands them to the lanes, each of which owns four output
// channels of all the pixels in registers: on software adapters a load is a gather, lane by lane, and dearer than the arithmetic,
// so none is done twice.
//
// For strided transposed convolutions the pixels are taken in `divideY * divideX` phases of equal parity: then all of a workgroup agree on
// which taps exist, and those that do not cost nothing. `weight` is [taps, fromChannels, toChannels], packed for the purpose where
// the gather is transposed; fromChannels and toChannels are multiples of four.
// Control flow that depends on the workgroup and uniforms only is uniform, which WGSL's analysis cannot see.

enable subgroups;
diagnostic(off, subgroup_uniformity);

// #include "common/grid.wgsl"
// #include "common/gatherProduct.wgsl"
// #include "common/relu.wgsl"

const LANES = 4u;

const NONE = 0xffffffffu;

fn store(pixel: u32, column: u32, sum: vec4f, shift: vec4f) {
  if (pixel == NONE || column >= u.toChannels4) { return; }
  var value = sum;
  if (u.hasBias != 0u) { value += shift; }
  if (u.relu != 0u) { value = relu4(value); }
  let at = pixel * u.toChannels4 + column;
  if (u.hasAddend != 0u) { value += vec4f(addend[at]); }
  out[at] = Vec4(value);
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
  let pixel = (tile % u.phaseTiles) * LANES + lane;
  let x = phaseX + i32(pixel % u.phaseWidth) * u.divideX;
  let y = phaseY + i32((pixel / u.phaseWidth) % u.phaseHeight) * u.divideY;
  let image = pixel / (u.phaseWidth * u.phaseHeight);
  let exists = image < u.batch && x < i32(u.toWidth) && y < i32(u.toHeight);

  var sum0 = vec4f(0.0);
  var sum1 = vec4f(0.0);
  var sum2 = vec4f(0.0);
  var sum3 = vec4f(0.0);
  for (var ky = 0; ky < u.kernelHeight; ky++) {
    if ((phaseY * u.multiplyY + ky * u.tapY + u.offsetY) % u.divideY != 0) { continue; }
    let atY = y * u.multiplyY + ky * u.tapY + u.offsetY;
    let fromY = atY / u.divideY;
    let insideY = exists && atY >= 0 && fromY < u.fromHeight;
    for (var kx = 0; kx < u.kernelWidth; kx++) {
      if ((phaseX * u.multiplyX + kx * u.tapX + u.offsetX) % u.divideX != 0) { continue; }
      let atX = x * u.multiplyX + kx * u.tapX + u.offsetX;
      let fromX = atX / u.divideX;
      let inside = insideY && atX >= 0 && fromX < u.fromWidth;
      if (!subgroupAny(inside)) { continue; }
      let fromPixel = select(0u, u32((i32(image) * u.fromHeight + fromY) * u.fromWidth + fromX), inside);
      let base = fromPixel * u.fromChannels4;
      var at = u32(ky * u.kernelWidth + kx) * u.fromChannels4 * 4u * u.toChannels4 + loadColumn;
      for (var c = 0u; c < u.fromChannels4; c++) {
        let mine = select(vec4f(0.0), vec4f(source[base + c]), inside);
        let w0 = vec4f(weight[at]);
        let w1 = vec4f(weight[at + u.toChannels4]);
        let w2 = vec4f(weight[at + u.toChannels4 * 2u]);
        let w3 = vec4f(weight[at + u.toChannels4 * 3u]);
        at += u.toChannels4 * 4u;
        let v0 = subgroupBroadcast(mine, 0u);
        sum0 = fma(w3, vec4f(v0.w), fma(w2, vec4f(v0.z), fma(w1, vec4f(v0.y), fma(w0, vec4f(v0.x), sum0))));
        let v1 = subgroupBroadcast(mine, 1u);
        sum1 = fma(w3, vec4f(v1.w), fma(w2, vec4f(v1.z), fma(w1, vec4f(v1.y), fma(w0, vec4f(v1.x), sum1))));
        let v2 = subgroupBroadcast(mine, 2u);
        sum2 = fma(w3, vec4f(v2.w), fma(w2, vec4f(v2.z), fma(w1, vec4f(v2.y), fma(w0, vec4f(v2.x), sum2))));
        let v3 = subgroupBroadcast(mine, 3u);
        sum3 = fma(w3, vec4f(v3.w), fma(w2, vec4f(v3.z), fma(w1, vec4f(v3.y), fma(w0, vec4f(v3.x), sum3))));
      }
    }
  }

  let toPixel = select(NONE, (image * u.toHeight + u32(y)) * u.toWidth + u32(x), exists);
  let shift = bias[select(0u, loadColumn % u.biasChannels4, u.hasBias != 0u)];
  let p0 = subgroupBroadcast(toPixel, 0u);
  let p1 = subgroupBroadcast(toPixel, 1u);
  let p2 = subgroupBroadcast(toPixel, 2u);
  let p3 = subgroupBroadcast(toPixel, 3u);
  store(p0, column, sum0, shift);
  store(p1, column, sum1, shift);
  store(p2, column, sum2, shift);
  store(p3, column, sum3, shift);
}
