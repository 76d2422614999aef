// partial[c, ky, kx, i, o] = sum over the output pixels p of chunk c of x[n, py * stride + ky * dilation - padding, …, i] * gradOutput[p, o]
//
// One group. A chunk is a run of `run` neighboring output pixels, a multiple of LANES; reduce/sum adds the chunks up in order.
// A workgroup is one subgroup of four lanes (SwiftShader) and owns one tap x 8 input channels x LANES groups of four
// output channels of one chunk. It takes LANES pixels at a time: lane k loads the 8 input channels of pixel k, quadBroadcast
// hands them round, and each lane, which owns four output channels of all 8 input channels in registers, loads its part of
// gradOutput. On software adapters a load is a gather, lane by lane, and dearer than the arithmetic. Channels are in fours.
// Control flow that depends on the workgroup and uniforms only is uniform, which WGSL's analysis cannot see.

enable subgroups;
diagnostic(off, subgroup_uniformity);

// #include "common/grid.wgsl"
// #include "common/gradWeightProduct.wgsl"

const LANES = 4u;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups);
  if (index >= u.workgroups) { return; }
  let column = (index % u.columns) * LANES + lane;
  let loadColumn = min(column, u.outChannels4 - 1u);
  let perTap = u.rows / u.taps;
  let row = (index / u.columns) % perTap * 2u;
  let secondRow = row + 1u < u.inChannels4;
  let tap = (index / (u.columns * perTap)) % u.taps;
  let chunk = index / (u.columns * u.rows);
  let shiftX = i32(tap % u.kernelWidth) * u.dilationX - u.paddingX;
  let shiftY = i32(tap / u.kernelWidth) * u.dilationY - u.paddingY;
  let first = chunk * u.run;
  let end = min(first + u.run, u.pixels);

  // Where this lane's pixel is; advanced by LANES pixels at a time, without divisions.
  let start = i32(first + lane);
  var outX = start % u.outWidth;
  var outY = (start / u.outWidth) % u.outHeight;
  var image = start / (u.outWidth * u.outHeight);

  var sum0 = vec4f(0.0);
  var sum1 = vec4f(0.0);
  var sum2 = vec4f(0.0);
  var sum3 = vec4f(0.0);
  var sum4 = vec4f(0.0);
  var sum5 = vec4f(0.0);
  var sum6 = vec4f(0.0);
  var sum7 = vec4f(0.0);
  for (var p = first; p < end; p += LANES) {
    let atX = outX * u.strideX + shiftX;
    let atY = outY * u.strideY + shiftY;
    let inside = p + lane < end && atX >= 0 && atX < u.inWidth && atY >= 0 && atY < u.inHeight;
    if (subgroupAny(inside)) {
      let base = select(0u, u32((image * u.inHeight + atY) * u.inWidth + atX) * u.inChannels4 + row, inside);
      let mineA = select(vec4f(0.0), vec4f(x[base]), inside);
      let mineB = select(vec4f(0.0), vec4f(x[base + select(0u, 1u, secondRow)]), inside);
      let last = end - 1u;
      let g0 = vec4f(gradOutput[p * u.outChannels4 + loadColumn]);
      let a0 = quadBroadcast(mineA, 0u);
      let b0 = quadBroadcast(mineB, 0u);
      sum0 += a0.x * g0;
      sum1 += a0.y * g0;
      sum2 += a0.z * g0;
      sum3 += a0.w * g0;
      sum4 += b0.x * g0;
      sum5 += b0.y * g0;
      sum6 += b0.z * g0;
      sum7 += b0.w * g0;
      let g1 = vec4f(gradOutput[min(p + 1u, last) * u.outChannels4 + loadColumn]);
      let a1 = quadBroadcast(mineA, 1u);
      let b1 = quadBroadcast(mineB, 1u);
      sum0 += a1.x * g1;
      sum1 += a1.y * g1;
      sum2 += a1.z * g1;
      sum3 += a1.w * g1;
      sum4 += b1.x * g1;
      sum5 += b1.y * g1;
      sum6 += b1.z * g1;
      sum7 += b1.w * g1;
      let g2 = vec4f(gradOutput[min(p + 2u, last) * u.outChannels4 + loadColumn]);
      let a2 = quadBroadcast(mineA, 2u);
      let b2 = quadBroadcast(mineB, 2u);
      sum0 += a2.x * g2;
      sum1 += a2.y * g2;
      sum2 += a2.z * g2;
      sum3 += a2.w * g2;
      sum4 += b2.x * g2;
      sum5 += b2.y * g2;
      sum6 += b2.z * g2;
      sum7 += b2.w * g2;
      let g3 = vec4f(gradOutput[min(p + 3u, last) * u.outChannels4 + loadColumn]);
      let a3 = quadBroadcast(mineA, 3u);
      let b3 = quadBroadcast(mineB, 3u);
      sum0 += a3.x * g3;
      sum1 += a3.y * g3;
      sum2 += a3.z * g3;
      sum3 += a3.w * g3;
      sum4 += b3.x * g3;
      sum5 += b3.y * g3;
      sum6 += b3.z * g3;
      sum7 += b3.w * g3;
    }
    outX += i32(LANES);
    while (outX >= u.outWidth) {
      outX -= u.outWidth;
      outY++;
      if (outY == u.outHeight) {
        outY = 0;
        image++;
      }
    }
  }

  if (column >= u.outChannels4) { return; }
  let to = (((chunk * u.taps + tap) * u.inChannels4 + row) * 4u) * u.outChannels4 + column;
  let step = u.outChannels4;
  partial[to] = sum0;
  partial[to + step] = sum1;
  partial[to + 2u * step] = sum2;
  partial[to + 3u * step] = sum3;
  if (!secondRow) { return; }
  partial[to + 4u * step] = sum4;
  partial[to + 5u * step] = sum5;
  partial[to + 6u * step] = sum6;
  partial[to + 7u * step] = sum7;
}
