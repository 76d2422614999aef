// The formula of gather.wgsl for one group, as a matrix product: pixels x (taps, channels) times (taps, channels) x outputs.
//
// For GPUs. A workgroup owns PIXELS pixels x COLUMNS groups of four output channels (to suit their numbers), a thread eight pixels x
// GROUPS groups, so that each vec4f read from workgroup memory serves 16 multiply-adds (GROUPS 2). Taps and channels are one loop, eight
// channels at a time; the next ones are loaded into registers while these are multiplied. Pixels lie in workgroup memory as they do in
// the source, four channels per vec4f. A tap moves every pixel of a phase alike, so it is a number that the whole workgroup shares.
// Pixels are taken in `divideY * divideX` phases of equal parity as in gatherLanes.wgsl, where the packing of weights is explained.
// fromChannels and toChannels are multiples of four.
//
// Loads are under a condition that the whole workgroup shares, at addresses that always exist; what lies outside becomes zero when
// it is stored to workgroup memory. Otherwise RADV waits for the loads before the arithmetic.

// #include "common/grid.wgsl"
// #include "common/gatherProduct.wgsl"
// #include "common/gatherPlaces.wgsl"
// #constant PIXELS
// #constant COLUMNS
// #constant GROUPS

const DEPTH4 = 2;
const ACROSS = COLUMNS / GROUPS;
const DOWN = PIXELS / 8;
// From a vec4f of one of a thread's pixels to that of its next.
const NEXT = DOWN * DEPTH4;
const THREADS = ACROSS * DOWN;
const LOADS = PIXELS * DEPTH4 / THREADS;
const WEIGHTS = COLUMNS * DEPTH4 * 4;
const WEIGHT_LOADS = max(1, WEIGHTS / THREADS);

// pixelTile[pixel * DEPTH4 + channel / 4], weightTile[channel * COLUMNS + column]
var<workgroup> pixelTile: array<vec4f, PIXELS * DEPTH4>;
var<workgroup> weightTile: array<vec4f, WEIGHTS>;

// Where the workgroup is: a tap, how far it moves pixels, and the first of the channels. The same in all threads.
struct Tap {
  x: i32,
  y: i32,
  shiftX: i32,
  shiftY: i32,
  channel4: u32,
}

// Taps of a phase along one axis: the first that meets pixels, the next after how many, how far both move.
struct Taps {
  first: i32,
  every: i32,
  count: i32,
  shift: i32,
  step: i32,
}

fn tapsOf(phase: i32, kernel: i32, multiply: i32, tap: i32, offset: i32, divide: i32) -> Taps {
  let start = phase * multiply + offset;
  var first = 0;
  while (first < kernel && (start + first * tap) % divide != 0) { first++; }
  var every = 1;
  while (every * tap % divide != 0) { every++; }
  return Taps(first, every, (kernel - first + every - 1) / every, (start + first * tap) / divide, every * tap / divide);
}

// A thread's pixels before a tap moves them (a pixel that does not exist is far outside), and what it has loaded.
struct Loads {
  x: array<i32, LOADS>,
  y: array<i32, LOADS>,
  at: array<i32, LOADS>,
  values: array<Vec4, LOADS>,
  inside: array<bool, LOADS>,
  weights: array<Vec4, WEIGHT_LOADS>,
  weightInside: array<bool, WEIGHT_LOADS>,
}

fn bring(loads: ptr<function, Loads>, tap: Tap, thread: u32, column: u32) {
  let moved = (tap.shiftY * u.fromWidth + tap.shiftX) * i32(u.fromChannels4) + i32(tap.channel4);
  let channelInside = tap.channel4 + thread % DEPTH4 < u.fromChannels4;
  for (var load = 0; load < LOADS; load++) {
    let inside = channelInside && u32((*loads).x[load] + tap.shiftX) < u32(u.fromWidth) && u32((*loads).y[load] + tap.shiftY) < u32(u.fromHeight);
    (*loads).inside[load] = inside;
    (*loads).values[load] = source[select(0u, u32((*loads).at[load] + moved), inside)];
  }
  let firstWeight = (u32(tap.y * u.kernelWidth + tap.x) * u.fromChannels4 + tap.channel4) * 4u * u.toChannels4;
  for (var load = 0u; load < WEIGHT_LOADS; load++) {
    let channel = (load * THREADS + thread) / COLUMNS;
    let inside = column < u.toChannels4 && tap.channel4 * 4u + channel < u.fromChannels4 * 4u;
    (*loads).weightInside[load] = inside;
    (*loads).weights[load] = weight[select(0u, firstWeight + channel * u.toChannels4 + column, inside)];
  }
}

// One pixel's sums and what four channels of it add.
fn addPixel(sum: vec4f, p: vec4f, w: mat4x4f) -> vec4f {
  return fma(w[3], vec4f(p.w), fma(w[2], vec4f(p.z), fma(w[1], vec4f(p.y), fma(w[0], vec4f(p.x), sum))));
}

// Four pixels' sums, one pixel per column.
fn add(sums: mat4x4f, p: mat4x4f, w: mat4x4f) -> mat4x4f {
  return mat4x4f(addPixel(sums[0], p[0], w), addPixel(sums[1], p[1], w), addPixel(sums[2], p[2], w), addPixel(sums[3], p[3], w));
}

fn biasOf(column: u32) -> vec4f {
  if (u.hasBias == 0u || column >= u.toChannels4) { return vec4f(0.0); }
  return bias[column % u.biasChannels4];
}

// Stores one pixel's sums of a thread's one or two groups.
fn storePixel(pixel: u32, phaseX: i32, phaseY: i32, column: u32, sum: vec4f, other: vec4f) {
  var to = pixel;
  var exists = pixel < u.batch * u.toHeight * u.toWidth;
  if (u.divideX * u.divideY != 1) {
    let place = placeOf(pixel, phaseX, phaseY);
    to = (place.image * u.toHeight + u32(place.y)) * u.toWidth + u32(place.x);
    exists = place.exists;
  }
  if (!exists) { return; }
  to = to * u.toChannels4 + column;
  if (column < u.toChannels4) { finish(to, sum); }
  if (GROUPS == 2 && column + ACROSS < u.toChannels4) { finish(to + ACROSS, other); }
}

@compute @workgroup_size(THREADS)
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
  let tapsX = tapsOf(phaseX, u.kernelWidth, u.multiplyX, u.tapX, u.offsetX, u.divideX);
  let tapsY = tapsOf(phaseY, u.kernelHeight, u.multiplyY, u.tapY, u.offsetY, u.divideY);
  let steps = u32(tapsY.count * tapsX.count) * ((u.fromChannels4 + DEPTH4 - 1u) / DEPTH4);

  var loads: Loads;
  for (var load = 0u; load < LOADS; load++) {
    let pixel = firstPixel + (load * THREADS + thread) / DEPTH4;
    let place = placeOf(pixel, phaseX, phaseY);
    loads.x[load] = i32(pixel % u.phaseWidth) * u.multiplyX;
    loads.y[load] = select(-0x40000000, i32(pixel / u.phaseWidth % u.phaseHeight) * u.multiplyY, place.exists);
    loads.at[load] = ((i32(place.image) * u.fromHeight + loads.y[load]) * u.fromWidth + loads.x[load]) * i32(u.fromChannels4) +
      i32(thread % DEPTH4);
  }
  let loadColumn = firstColumn + thread % COLUMNS;
  let across = thread % ACROSS;
  let down = thread / ACROSS;

  // Sums of the first and last four pixels for the first and second group.
  var sums00: mat4x4f;
  var sums01: mat4x4f;
  var sums10: mat4x4f;
  var sums11: mat4x4f;
  var tap = Tap(tapsX.first, tapsY.first, tapsX.shift, tapsY.shift, 0u);
  if (steps > 0u) { bring(&loads, tap, thread, loadColumn); }
  for (var step = 0u; step < steps; step++) {
    for (var load = 0u; load < LOADS; load++) {
      pixelTile[load * THREADS + thread] = select(vec4f(0.0), vec4f(loads.values[load]), loads.inside[load]);
    }
    if (WEIGHTS >= THREADS || thread < WEIGHTS) {
      for (var load = 0u; load < WEIGHT_LOADS; load++) {
        weightTile[load * THREADS + thread] = select(vec4f(0.0), vec4f(loads.weights[load]), loads.weightInside[load]);
      }
    }
    workgroupBarrier();
    if (step + 1u < steps) {
      tap.channel4 += DEPTH4;
      if (tap.channel4 >= u.fromChannels4) {
        tap.channel4 = 0u;
        tap.x += tapsX.every;
        tap.shiftX += tapsX.step;
        if (tap.x >= u.kernelWidth) {
          tap.x = tapsX.first;
          tap.shiftX = tapsX.shift;
          tap.y += tapsY.every;
          tap.shiftY += tapsY.step;
        }
      }
      bring(&loads, tap, thread, loadColumn);
    }
    for (var k = 0u; k < DEPTH4; k++) {
      let at = down * DEPTH4 + k;
      let first = k * 4u * COLUMNS + across;
      let w0 = mat4x4f(weightTile[first], weightTile[first + COLUMNS], weightTile[first + 2 * COLUMNS], weightTile[first + 3 * COLUMNS]);
      var w1: mat4x4f;
      if (GROUPS == 2) {
        let other = first + ACROSS;
        w1 = mat4x4f(weightTile[other], weightTile[other + COLUMNS], weightTile[other + 2 * COLUMNS], weightTile[other + 3 * COLUMNS]);
      }
      let p0 = pixelTile[at];
      sums00[0] = addPixel(sums00[0], p0, w0);
      sums01[0] = addPixel(sums01[0], p0, w1);
      let p1 = pixelTile[at + NEXT];
      sums00[1] = addPixel(sums00[1], p1, w0);
      sums01[1] = addPixel(sums01[1], p1, w1);
      let p2 = pixelTile[at + 2 * NEXT];
      sums00[2] = addPixel(sums00[2], p2, w0);
      sums01[2] = addPixel(sums01[2], p2, w1);
      let p3 = pixelTile[at + 3 * NEXT];
      sums00[3] = addPixel(sums00[3], p3, w0);
      sums01[3] = addPixel(sums01[3], p3, w1);
      let p4 = pixelTile[at + 4 * NEXT];
      sums10[0] = addPixel(sums10[0], p4, w0);
      sums11[0] = addPixel(sums11[0], p4, w1);
      let p5 = pixelTile[at + 5 * NEXT];
      sums10[1] = addPixel(sums10[1], p5, w0);
      sums11[1] = addPixel(sums11[1], p5, w1);
      let p6 = pixelTile[at + 6 * NEXT];
      sums10[2] = addPixel(sums10[2], p6, w0);
      sums11[2] = addPixel(sums11[2], p6, w1);
      let p7 = pixelTile[at + 7 * NEXT];
      sums10[3] = addPixel(sums10[3], p7, w0);
      sums11[3] = addPixel(sums11[3], p7, w1);
    }
    workgroupBarrier();
  }

  let column = firstColumn + across;
  let pixel = firstPixel + down;
  let bias0 = biasOf(column);
  let bias1 = biasOf(column + ACROSS);
  storePixel(pixel, phaseX, phaseY, column, sums00[0] + bias0, sums01[0] + bias1);
  storePixel(pixel + DOWN, phaseX, phaseY, column, sums00[1] + bias0, sums01[1] + bias1);
  storePixel(pixel + 2 * DOWN, phaseX, phaseY, column, sums00[2] + bias0, sums01[2] + bias1);
  storePixel(pixel + 3 * DOWN, phaseX, phaseY, column, sums00[3] + bias0, sums01[3] + bias1);
  storePixel(pixel + 4 * DOWN, phaseX, phaseY, column, sums10[0] + bias0, sums11[0] + bias1);
  storePixel(pixel + 5 * DOWN, phaseX, phaseY, column, sums10[1] + bias0, sums11[1] + bias1);
  storePixel(pixel + 6 * DOWN, phaseX, phaseY, column, sums10[2] + bias0, sums11[2] + bias1);
  storePixel(pixel + 7 * DOWN, phaseX, phaseY, column, sums10[3] + bias0, sums11[3] + bias1);
}
