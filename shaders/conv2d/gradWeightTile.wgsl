// partial[c, ky, kx, i, o] = sum over the output pixels p of chunk c of x[n, py * stride + ky * dilation - padding, …, i] * gradOutput[p, o]
//
// One group; for GPUs. A chunk is a run of `run` neighbouring output pixels, a multiple of 16; reduce/sum adds the chunks up in
// order. It is a matrix product, (ky, kx, i) x pixels times pixels x o: a workgroup of 256 threads owns 16 groups of four rows x 16
// groups of four columns of one chunk, a thread 4 x 4 of them. Pixels go through workgroup memory sixteen at a time, each
// thread loading one vec4f of x and one of gradOutput. Channels are in fours.

// #include "common/grid.wgsl"
// #include "common/gradWeightProduct.wgsl"

var<workgroup> inTile: array<vec4f, 256>;
var<workgroup> gradTile: array<vec4f, 256>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups);
  if (index >= u.workgroups) { return; }
  let across = thread % 16u;
  let down = thread / 16u;
  let column = (index % u.columns) * 16u + across;
  let firstRow = (index / u.columns) % u.rows * 16u;
  let chunk = index / (u.columns * u.rows);
  let first = chunk * u.run;
  let end = min(first + u.run, u.pixels);

  // This thread loads row `loadRow` of pixel `down` of each sixteen.
  let loadRow = firstRow + across;
  let tap = loadRow / u.inChannels4;
  let loadChannel = loadRow % u.inChannels4;
  let shiftX = i32(tap % u.kernelWidth) * u.dilationX - u.paddingX;
  let shiftY = i32(tap / u.kernelWidth) * u.dilationY - u.paddingY;

  var sum0 = vec4f(0.0);
  var sum1 = vec4f(0.0);
  var sum2 = vec4f(0.0);
  var sum3 = vec4f(0.0);
  for (var p = first; p < end; p += 16u) {
    let pixel = p + down;
    var value = vec4f(0.0);
    var gradient = vec4f(0.0);
    if (pixel < end) {
      let outPixel = i32(pixel);
      let atX = (outPixel % u.outWidth) * u.strideX + shiftX;
      let atY = ((outPixel / u.outWidth) % u.outHeight) * u.strideY + shiftY;
      if (tap < u.taps && atX >= 0 && atX < u.inWidth && atY >= 0 && atY < u.inHeight) {
        let image = outPixel / (u.outWidth * u.outHeight);
        value = vec4f(x[u32((image * u.inHeight + atY) * u.inWidth + atX) * u.inChannels4 + loadChannel]);
      }
      if (column < u.outChannels4) { gradient = vec4f(gradOutput[pixel * u.outChannels4 + column]); }
    }
    inTile[thread] = value;
    gradTile[thread] = gradient;
    workgroupBarrier();
    for (var k = 0u; k < 16u; k++) {
      let a = inTile[k * 16u + down];
      let g = gradTile[k * 16u + across];
      sum0 = fma(g, vec4f(a.x), sum0);
      sum1 = fma(g, vec4f(a.y), sum1);
      sum2 = fma(g, vec4f(a.z), sum2);
      sum3 = fma(g, vec4f(a.w), sum3);
    }
    workgroupBarrier();
  }

  let row = firstRow + down;
  if (row >= u.taps * u.inChannels4 || column >= u.outChannels4) { return; }
  let to = (chunk * u.taps * u.inChannels4 + row) * 4u * u.outChannels4 + column;
  partial[to] = sum0;
  partial[to + u.outChannels4] = sum1;
  partial[to + 2u * u.outChannels4] = sum2;
  partial[to + 3u * u.outChannels4] = sum3;
}
