// partial[c, ky, kx, i, o] = sum over the output pixels p of chunk c of x[n, py * stride + ky * dilation - padding, …, i] * gradOutput[p, o]
//
// One group; for GPUs. A chunk is a run of `run` neighboring output pixels, a multiple of STEP; reduce/sum adds the chunks up in
// order. It is a matrix product, (ky, kx, i) x pixels times pixels x o: a workgroup owns ROWS groups of four rows x COLUMNS groups of
// four columns of one chunk, a thread two groups of rows x GROUPS of columns, so that each vec4f read from workgroup memory serves
// 16 multiply-adds (GROUPS 2). Pixels go through workgroup memory STEP at a time; the next ones are loaded into registers while these
// are multiplied. ROWS and COLUMNS suit the numbers of rows and outputs. Channels are in fours.
//
// A thread walks its pixels by adding: place in the image, row and column move on together, without a product or a division.
// Loads are under a condition that the whole workgroup shares, at addresses that always exist; what lies outside becomes zero when
// it is stored to workgroup memory. Otherwise RADV waits for the loads before the arithmetic.

// #include "common/grid.wgsl"
// #include "common/gradWeightProduct.wgsl"
// #constant ROWS
// #constant COLUMNS

const STEP = 8;
const GROUPS = select(1, 2, COLUMNS >= 16);
const ACROSS = COLUMNS / GROUPS;
const DOWN = ROWS / 2;
const THREADS = ACROSS * DOWN;
const LOADS = ROWS * STEP / THREADS;
const GRAD_LOADS = max(1, COLUMNS * STEP / THREADS);
// Pixels from one that a thread loads to its next.
const NEXT = u32(THREADS / ROWS);

var<workgroup> inTile: array<vec4f, ROWS * STEP>;
var<workgroup> gradTile: array<vec4f, COLUMNS * STEP>;

// Sums of four rows x four columns, a row a vec4f, and what one pixel adds.
fn add(sums: mat4x4f, a: vec4f, g: vec4f) -> mat4x4f {
  return mat4x4f(
    fma(g, vec4f(a.x), sums[0]),
    fma(g, vec4f(a.y), sums[1]),
    fma(g, vec4f(a.z), sums[2]),
    fma(g, vec4f(a.w), sums[3]),
  );
}

fn store(chunk: u32, row: u32, column: u32, sums: mat4x4f) {
  if (row >= u.taps * u.inChannels4 || column >= u.outChannels4) { return; }
  let to = (chunk * u.taps * u.inChannels4 + row) * 4u * u.outChannels4 + column;
  partial[to] = sums[0];
  partial[to + u.outChannels4] = sums[1];
  partial[to + 2u * u.outChannels4] = sums[2];
  partial[to + 3u * u.outChannels4] = sums[3];
}

// Where a thread's next pixel lies, seen through its tap, and what it has loaded.
struct Walk {
  pixel: u32,
  x: i32,
  y: i32,
  at: i32,
  gradAt: u32,
  values: array<Vec4, LOADS>,
  inside: array<bool, LOADS>,
  gradients: array<Vec4, GRAD_LOADS>,
  gradInside: array<bool, GRAD_LOADS>,
}

// What stays: where pixels end, what NEXT pixels more change, and what the end of a row and of an image do.
struct Course {
  end: u32,
  endX: i32,
  endY: i32,
  nextX: i32,
  nextY: i32,
  next: i32,
  rowEnd: i32,
  imageEnd: i32,
  gradEnd: u32,
  nextGradient: u32,
}

fn bring(walk: ptr<function, Walk>, course: Course) {
  for (var load = 0; load < LOADS; load++) {
    let inside = (*walk).pixel < course.end && u32((*walk).x) < u32(u.inWidth) && u32((*walk).y) < u32(u.inHeight);
    (*walk).inside[load] = inside;
    (*walk).values[load] = x[select(0u, u32((*walk).at), inside)];
    (*walk).pixel += NEXT;
    (*walk).x += course.nextX;
    (*walk).y += course.nextY;
    (*walk).at += course.next;
    if ((*walk).x >= course.endX) {
      (*walk).x -= u.outWidth * u.strideX;
      (*walk).y += u.strideY;
      (*walk).at += course.rowEnd;
    }
    if ((*walk).y >= course.endY) {
      (*walk).y -= u.outHeight * u.strideY;
      (*walk).at += course.imageEnd;
    }
  }
  for (var load = 0; load < GRAD_LOADS; load++) {
    let inside = (*walk).gradAt < course.gradEnd;
    (*walk).gradInside[load] = inside;
    (*walk).gradients[load] = gradOutput[select(0u, (*walk).gradAt, inside)];
    (*walk).gradAt += course.nextGradient;
  }
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
  let firstRow = (index / u.columns) % u.rows * ROWS;
  let chunk = index / (u.columns * u.rows);
  let first = chunk * u.run;
  let end = min(first + u.run, u.pixels);

  // This thread loads row `loadRow` of every NEXT-th pixel, and gradients of column `loadColumn`. What lies past the end has no pixels.
  let loadRow = firstRow + thread % ROWS;
  let loadColumn = firstColumn + thread % COLUMNS;
  let tap = loadRow / u.inChannels4;
  let shiftX = i32(tap % u.kernelWidth) * u.dilationX - u.paddingX;
  let shiftY = i32(tap / u.kernelWidth) * u.dilationY - u.paddingY;
  let outWidth = u32(u.outWidth);
  let outHeight = u32(u.outHeight);
  let channels = i32(u.inChannels4);
  let row = u.inWidth * channels;
  let spanX = u.outWidth * u.strideX;
  let spanY = u.outHeight * u.strideY;

  var course: Course;
  course.end = select(first, end, tap < u.taps);
  course.endX = spanX + shiftX;
  course.endY = spanY + shiftY;
  course.nextX = i32(NEXT % outWidth) * u.strideX;
  course.nextY = i32(NEXT / outWidth % outHeight) * u.strideY;
  course.next = (i32(NEXT / (outWidth * outHeight)) * u.inHeight + course.nextY) * row + course.nextX * channels;
  course.rowEnd = u.strideY * row - spanX * channels;
  course.imageEnd = (u.inHeight - spanY) * row;
  course.gradEnd = select(0u, end * u.outChannels4, loadColumn < u.outChannels4);
  course.nextGradient = u32(min(STEP, THREADS / COLUMNS)) * u.outChannels4;

  var walk: Walk;
  walk.pixel = first + thread / ROWS;
  walk.x = i32(walk.pixel % outWidth) * u.strideX + shiftX;
  walk.y = i32(walk.pixel / outWidth % outHeight) * u.strideY + shiftY;
  walk.at = (i32(walk.pixel / (outWidth * outHeight)) * u.inHeight + walk.y) * row + walk.x * channels + i32(loadRow % u.inChannels4);
  walk.gradAt = (first + thread / COLUMNS) * u.outChannels4 + loadColumn;

  let across = thread % ACROSS;
  let down = thread / ACROSS;
  var sums00: mat4x4f;
  var sums01: mat4x4f;
  var sums10: mat4x4f;
  var sums11: mat4x4f;
  bring(&walk, course);
  for (var p = first; p < end; p += STEP) {
    for (var load = 0u; load < LOADS; load++) {
      inTile[load * THREADS + thread] = select(vec4f(0.0), vec4f(walk.values[load]), walk.inside[load]);
    }
    if (COLUMNS * STEP >= THREADS || thread < COLUMNS * STEP) {
      for (var load = 0u; load < GRAD_LOADS; load++) {
        gradTile[load * THREADS + thread] = select(vec4f(0.0), vec4f(walk.gradients[load]), walk.gradInside[load]);
      }
    }
    workgroupBarrier();
    if (p + STEP < end) { bring(&walk, course); }
    for (var k = 0u; k < STEP; k++) {
      let a0 = inTile[k * ROWS + down];
      let a1 = inTile[k * ROWS + DOWN + down];
      let g0 = gradTile[k * COLUMNS + across];
      sums00 = add(sums00, a0, g0);
      sums10 = add(sums10, a1, g0);
      if (GROUPS == 2) {
        let g1 = gradTile[k * COLUMNS + ACROSS + across];
        sums01 = add(sums01, a0, g1);
        sums11 = add(sums11, a1, g1);
      }
    }
    workgroupBarrier();
  }

  store(chunk, firstRow + down, firstColumn + across, sums00);
  store(chunk, firstRow + DOWN + down, firstColumn + across, sums10);
  if (GROUPS == 2) {
    store(chunk, firstRow + down, firstColumn + ACROSS + across, sums01);
    store(chunk, firstRow + DOWN + down, firstColumn + ACROSS + across, sums11);
  }
}
