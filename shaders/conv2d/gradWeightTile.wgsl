// partial[c, ky, kx, i, o] = sum over the output pixels p of chunk c of x[n, py * stride + ky * dilation - padding, …, i] * gradOutput[p, o]
//
// One group; for GPUs. A chunk is a run of `run` neighbouring output pixels, a multiple of 16; reduce/sum adds the chunks up in
// order. It is a matrix product, (ky, kx, i) x pixels times pixels x o: a workgroup of 256 threads owns ROWS = 256 / COLUMNS groups of four
// rows x COLUMNS groups of four columns of one chunk (COLUMNS 16, 8 or 4, to suit the number of outputs), a thread 4 x 4 of them. Pixels go
// through workgroup memory STEP at a time, each thread loading LOADS vec4f of x and at most one of gradOutput. Channels are in fours.
//
// A thread walks its pixels by adding COLUMNS pixels as image, row and column: the divisions that take a pixel's number apart were a third
// of the loop's arithmetic (RADV, navi31).

// #include "common/grid.wgsl"
// #include "common/gradWeightProduct.wgsl"
// #constant COLUMNS

const ROWS = 256 / COLUMNS;
const STEP = select(16, 8, COLUMNS == 4);
const LOADS = ROWS * STEP / 256;

var<workgroup> inTile: array<vec4f, ROWS * STEP>;
var<workgroup> gradTile: array<vec4f, COLUMNS * STEP>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups);
  if (index >= u.workgroups) { return; }
  let across = thread % COLUMNS;
  let down = thread / COLUMNS;
  let column = (index % u.columns) * COLUMNS + across;
  let firstRow = (index / u.columns) % u.rows * ROWS;
  let chunk = index / (u.columns * u.rows);
  let first = chunk * u.run;
  let end = min(first + u.run, u.pixels);

  // This thread loads row `loadRow` of every COLUMNS-th pixel.
  let loadRow = firstRow + thread % ROWS;
  let tap = loadRow / u.inChannels4;
  let loadChannel = loadRow % u.inChannels4;
  let shiftX = i32(tap % u.kernelWidth) * u.dilationX - u.paddingX;
  let shiftY = i32(tap / u.kernelWidth) * u.dilationY - u.paddingY;
  var pixel = first + thread / ROWS;
  var outX = i32(pixel) % u.outWidth;
  var outY = (i32(pixel) / u.outWidth) % u.outHeight;
  var image = i32(pixel) / (u.outWidth * u.outHeight);
  let stepX = COLUMNS % u.outWidth;
  let stepY = (COLUMNS / u.outWidth) % u.outHeight;
  let stepImage = COLUMNS / (u.outWidth * u.outHeight);

  var sum0 = vec4f(0.0);
  var sum1 = vec4f(0.0);
  var sum2 = vec4f(0.0);
  var sum3 = vec4f(0.0);
  for (var p = first; p < end; p += STEP) {
    for (var load = 0u; load < LOADS; load++) {
      let atX = outX * u.strideX + shiftX;
      let atY = outY * u.strideY + shiftY;
      var value = vec4f(0.0);
      if (pixel < end && tap < u.taps && atX >= 0 && atX < u.inWidth && atY >= 0 && atY < u.inHeight) {
        value = vec4f(x[u32((image * u.inHeight + atY) * u.inWidth + atX) * u.inChannels4 + loadChannel]);
      }
      inTile[load * 256u + thread] = value;
      pixel += COLUMNS;
      outX += stepX;
      outY += stepY;
      image += stepImage;
      if (outX >= u.outWidth) { outX -= u.outWidth; outY++; }
      if (outY >= u.outHeight) { outY -= u.outHeight; image++; }
    }
    if (thread < COLUMNS * STEP) {
      let source = p + down;
      var gradient = vec4f(0.0);
      if (source < end && column < u.outChannels4) { gradient = vec4f(gradOutput[source * u.outChannels4 + column]); }
      gradTile[thread] = gradient;
    }
    workgroupBarrier();
    for (var k = 0u; k < STEP; k++) {
      let a = inTile[k * ROWS + down];
      let g = gradTile[k * COLUMNS + across];
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
