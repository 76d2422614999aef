// partial[c, ky, kx, i, o] = sum over the output pixels p of chunk c of x[n, py * stride + ky * dilation - padding, …, i] * gradOutput[p, o]
//
// One group. A chunk is a run of `run` neighboring output pixels; reduce/sum adds the chunks up in order. matmul/subgroupTransposed.wgsl with
// its rows gathered, for adapters whose subgroups have eight lanes (lavapipe): a workgroup is one subgroup and owns 8 groups of four rows,
// (ky, kx, i) counted through, of 8 groups of four output channels of one chunk, four pixels at a time. Lane i loads the i-th group of rows and
// hands it round by shuffles; each number that was loaded is used 32 times. Channels are in fours.
// Control flow that depends on the workgroup and uniforms only is uniform, which WGSL's analysis cannot see.

enable subgroups;
diagnostic(off, subgroup_uniformity);

// #include "common/grid.wgsl"
// #include "common/gradWeightProduct.wgsl"

// Adds the products of four pixels; x holds them of one row, b0 to b3 of four output channels.
fn plus(sum: vec4f, x: vec4f, b0: vec4f, b1: vec4f, b2: vec4f, b3: vec4f) -> vec4f {
  return sum + x.x * b0 + x.y * b1 + x.z * b2 + x.w * b3;
}

// An output pixel; stepped through without divisions, which lavapipe makes lane by lane.
struct Place { x: i32, y: i32, image: i32 }

fn after(place: Place) -> Place {
  let endsRow = place.x + 1 == u.outWidth;
  let y = place.y + select(0, 1, endsRow);
  let endsImage = y == u.outHeight;
  return Place(select(place.x + 1, 0, endsRow), select(y, 0, endsImage), place.image + select(0, 1, endsImage));
}

// Four channels of x under this lane's tap (`shift`: its offset) of an output pixel; zero outside, and where there is no pixel.
fn load(place: Place, exists: bool, shift: vec2i, channel: u32) -> vec4f {
  let atX = place.x * u.strideX + shift.x;
  let atY = place.y * u.strideY + shift.y;
  let inside = exists && atX >= 0 && atX < u.inWidth && atY >= 0 && atY < u.inHeight;
  let base = select(0u, u32((place.image * u.inHeight + atY) * u.inWidth + atX) * u.inChannels4, inside);
  return select(vec4f(0.0), vec4f(x[base + channel]), inside);
}

@compute @workgroup_size(8)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups);
  if (index >= u.workgroups) { return; }
  let column = (index % u.columns) * 8u + lane;
  let loadColumn = min(column, u.outChannels4 - 1u);
  let row0 = (index / u.columns) % u.rows * 32u;
  let allRows = u.taps * u.inChannels4 * 4u;
  let rows = allRows - row0;
  let chunk = index / (u.columns * u.rows);
  let quad = min(row0 / 4u + lane, u.taps * u.inChannels4 - 1u);
  let tap = quad / u.inChannels4;
  let channel = quad % u.inChannels4;
  let shift = vec2i(
    i32(tap % u.kernelWidth) * u.dilationX - u.paddingX,
    i32(tap / u.kernelWidth) * u.dilationY - u.paddingY,
  );
  let first = chunk * u.run;
  let end = min(first + u.run, u.pixels);
  let last = end - 1u;
  let start = i32(first);
  var place = Place(start % u.outWidth, (start / u.outWidth) % u.outHeight, start / (u.outWidth * u.outHeight));

  var sum: array<vec4f, 33>;
  for (var p = first; p < end; p += 4u) {
    let place1 = after(place);
    let place2 = after(place1);
    let place3 = after(place2);
    let a0 = load(place, true, shift, channel);
    let a1 = load(place1, p + 1u < end, shift, channel);
    let a2 = load(place2, p + 2u < end, shift, channel);
    let a3 = load(place3, p + 3u < end, shift, channel);
    place = after(place3);
    let b0 = vec4f(gradOutput[p * u.outChannels4 + loadColumn]);
    let b1 = vec4f(gradOutput[min(p + 1u, last) * u.outChannels4 + loadColumn]);
    let b2 = vec4f(gradOutput[min(p + 2u, last) * u.outChannels4 + loadColumn]);
    let b3 = vec4f(gradOutput[min(p + 3u, last) * u.outChannels4 + loadColumn]);
    let q0k0 = subgroupShuffle(a0, 0u);
    let q0k1 = subgroupShuffle(a1, 0u);
    let q0k2 = subgroupShuffle(a2, 0u);
    let q0k3 = subgroupShuffle(a3, 0u);
    sum[0] = plus(sum[0], vec4f(q0k0.x, q0k1.x, q0k2.x, q0k3.x), b0, b1, b2, b3);
    sum[1] = plus(sum[1], vec4f(q0k0.y, q0k1.y, q0k2.y, q0k3.y), b0, b1, b2, b3);
    sum[2] = plus(sum[2], vec4f(q0k0.z, q0k1.z, q0k2.z, q0k3.z), b0, b1, b2, b3);
    sum[3] = plus(sum[3], vec4f(q0k0.w, q0k1.w, q0k2.w, q0k3.w), b0, b1, b2, b3);
    let q1k0 = subgroupShuffle(a0, 1u);
    let q1k1 = subgroupShuffle(a1, 1u);
    let q1k2 = subgroupShuffle(a2, 1u);
    let q1k3 = subgroupShuffle(a3, 1u);
    sum[4] = plus(sum[4], vec4f(q1k0.x, q1k1.x, q1k2.x, q1k3.x), b0, b1, b2, b3);
    sum[5] = plus(sum[5], vec4f(q1k0.y, q1k1.y, q1k2.y, q1k3.y), b0, b1, b2, b3);
    sum[6] = plus(sum[6], vec4f(q1k0.z, q1k1.z, q1k2.z, q1k3.z), b0, b1, b2, b3);
    sum[7] = plus(sum[7], vec4f(q1k0.w, q1k1.w, q1k2.w, q1k3.w), b0, b1, b2, b3);
    if (rows > 8u) {
      let q2k0 = subgroupShuffle(a0, 2u);
      let q2k1 = subgroupShuffle(a1, 2u);
      let q2k2 = subgroupShuffle(a2, 2u);
      let q2k3 = subgroupShuffle(a3, 2u);
      sum[8] = plus(sum[8], vec4f(q2k0.x, q2k1.x, q2k2.x, q2k3.x), b0, b1, b2, b3);
      sum[9] = plus(sum[9], vec4f(q2k0.y, q2k1.y, q2k2.y, q2k3.y), b0, b1, b2, b3);
      sum[10] = plus(sum[10], vec4f(q2k0.z, q2k1.z, q2k2.z, q2k3.z), b0, b1, b2, b3);
      sum[11] = plus(sum[11], vec4f(q2k0.w, q2k1.w, q2k2.w, q2k3.w), b0, b1, b2, b3);
      let q3k0 = subgroupShuffle(a0, 3u);
      let q3k1 = subgroupShuffle(a1, 3u);
      let q3k2 = subgroupShuffle(a2, 3u);
      let q3k3 = subgroupShuffle(a3, 3u);
      sum[12] = plus(sum[12], vec4f(q3k0.x, q3k1.x, q3k2.x, q3k3.x), b0, b1, b2, b3);
      sum[13] = plus(sum[13], vec4f(q3k0.y, q3k1.y, q3k2.y, q3k3.y), b0, b1, b2, b3);
      sum[14] = plus(sum[14], vec4f(q3k0.z, q3k1.z, q3k2.z, q3k3.z), b0, b1, b2, b3);
      sum[15] = plus(sum[15], vec4f(q3k0.w, q3k1.w, q3k2.w, q3k3.w), b0, b1, b2, b3);
    }
    if (rows > 16u) {
      let q4k0 = subgroupShuffle(a0, 4u);
      let q4k1 = subgroupShuffle(a1, 4u);
      let q4k2 = subgroupShuffle(a2, 4u);
      let q4k3 = subgroupShuffle(a3, 4u);
      sum[16] = plus(sum[16], vec4f(q4k0.x, q4k1.x, q4k2.x, q4k3.x), b0, b1, b2, b3);
      sum[17] = plus(sum[17], vec4f(q4k0.y, q4k1.y, q4k2.y, q4k3.y), b0, b1, b2, b3);
      sum[18] = plus(sum[18], vec4f(q4k0.z, q4k1.z, q4k2.z, q4k3.z), b0, b1, b2, b3);
      sum[19] = plus(sum[19], vec4f(q4k0.w, q4k1.w, q4k2.w, q4k3.w), b0, b1, b2, b3);
      let q5k0 = subgroupShuffle(a0, 5u);
      let q5k1 = subgroupShuffle(a1, 5u);
      let q5k2 = subgroupShuffle(a2, 5u);
      let q5k3 = subgroupShuffle(a3, 5u);
      sum[20] = plus(sum[20], vec4f(q5k0.x, q5k1.x, q5k2.x, q5k3.x), b0, b1, b2, b3);
      sum[21] = plus(sum[21], vec4f(q5k0.y, q5k1.y, q5k2.y, q5k3.y), b0, b1, b2, b3);
      sum[22] = plus(sum[22], vec4f(q5k0.z, q5k1.z, q5k2.z, q5k3.z), b0, b1, b2, b3);
      sum[23] = plus(sum[23], vec4f(q5k0.w, q5k1.w, q5k2.w, q5k3.w), b0, b1, b2, b3);
    }
    if (rows > 24u) {
      let q6k0 = subgroupShuffle(a0, 6u);
      let q6k1 = subgroupShuffle(a1, 6u);
      let q6k2 = subgroupShuffle(a2, 6u);
      let q6k3 = subgroupShuffle(a3, 6u);
      sum[24] = plus(sum[24], vec4f(q6k0.x, q6k1.x, q6k2.x, q6k3.x), b0, b1, b2, b3);
      sum[25] = plus(sum[25], vec4f(q6k0.y, q6k1.y, q6k2.y, q6k3.y), b0, b1, b2, b3);
      sum[26] = plus(sum[26], vec4f(q6k0.z, q6k1.z, q6k2.z, q6k3.z), b0, b1, b2, b3);
      sum[27] = plus(sum[27], vec4f(q6k0.w, q6k1.w, q6k2.w, q6k3.w), b0, b1, b2, b3);
      let q7k0 = subgroupShuffle(a0, 7u);
      let q7k1 = subgroupShuffle(a1, 7u);
      let q7k2 = subgroupShuffle(a2, 7u);
      let q7k3 = subgroupShuffle(a3, 7u);
      sum[28] = plus(sum[28], vec4f(q7k0.x, q7k1.x, q7k2.x, q7k3.x), b0, b1, b2, b3);
      sum[29] = plus(sum[29], vec4f(q7k0.y, q7k1.y, q7k2.y, q7k3.y), b0, b1, b2, b3);
      sum[30] = plus(sum[30], vec4f(q7k0.z, q7k1.z, q7k2.z, q7k3.z), b0, b1, b2, b3);
      sum[31] = plus(sum[31], vec4f(q7k0.w, q7k1.w, q7k2.w, q7k3.w), b0, b1, b2, b3);
    }
  }

  if (column >= u.outChannels4) { return; }
  // Not min(32, ...), and a 33rd sum: see matmul/subgroup.wgsl.
  let endRow = min(row0 + 32u, allRows);
  for (var row = row0; row < endRow; row++) {
    partial[(chunk * allRows + row) * u.outChannels4 + column] = sum[row - row0];
  }
}
