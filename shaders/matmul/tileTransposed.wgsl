// out[z, i, j] = sum over k of a[z, k, i] * b[z, k, j]: the gradient of a weight, a sum over all pixels; and sums, of a alone
//
// For GPUs: a workgroup owns ROWS groups of four rows x COLUMNS groups of four columns, a thread two groups x two, so that each vec4f read from
// workgroup memory serves 16 multiply-adds. It walks the k axis in steps of 8 through workgroup memory; what the next step needs is
// loaded into registers while this one multiplies (see tile.wgsl). A thread adds up the numbers of a that it brings; the workgroups of the
// first columns add those up in the end. A thread's two groups lie half a tile apart: neighboring threads read neighbors. With GELU b goes through
// gelu where it is stored.

// #include "common/grid.wgsl"
// #include "common/productTransposed.wgsl"
// #include "common/gelu.wgsl"
// #constant ROWS
// #constant COLUMNS

override GELU: bool = false;

const DEPTH = 8u;
const ACROSS = COLUMNS / 2;
const DOWN = ROWS / 2;
const THREADS = ACROSS * DOWN;
const IN_A = ROWS * DEPTH;
const LOADS_A = (IN_A + THREADS - 1) / THREADS;
const IN_B = COLUMNS * DEPTH;
const LOADS_B = (IN_B + THREADS - 1) / THREADS;

// tileA[k * ROWS + row / 4], tileB[k * COLUMNS + column / 4]
var<workgroup> tileA: array<vec4f, IN_A>;
var<workgroup> tileB: array<vec4f, IN_B>;

// Where a thread's next loads are, and what it has loaded.
struct Loads {
  atA: array<u32, LOADS_A>,
  atB: array<u32, LOADS_B>,
  a: array<Vec4, LOADS_A>,
  b: array<Vec4, LOADS_B>,
  okA: array<bool, LOADS_A>,
  okB: array<bool, LOADS_B>,
}

fn bring(loads: ptr<function, Loads>, k: u32, end: u32, thread: u32) {
  for (var load = 0u; load < LOADS_A; load++) {
    let own = (load * THREADS + thread) / ROWS;
    let ok = own < DEPTH && k + own < end;
    (*loads).okA[load] = ok;
    (*loads).a[load] = a[select(0u, (*loads).atA[load], ok)];
    (*loads).atA[load] += DEPTH * u.aStride;
  }
  for (var load = 0u; load < LOADS_B; load++) {
    let own = (load * THREADS + thread) / COLUMNS;
    let ok = own < DEPTH && k + own < end;
    (*loads).okB[load] = ok;
    (*loads).b[load] = b[select(0u, (*loads).atB[load], ok)];
    (*loads).atB[load] += DEPTH * u.bStride;
  }
}

// Sums of four rows x four columns, a row a vec4f, and what one k adds.
fn add(sums: mat4x4f, a: vec4f, b: vec4f) -> mat4x4f {
  return mat4x4f(
    fma(b, vec4f(a.x), sums[0]),
    fma(b, vec4f(a.y), sums[1]),
    fma(b, vec4f(a.z), sums[2]),
    fma(b, vec4f(a.w), sums[3]),
  );
}

fn storeFour(z: u32, row: u32, column: u32, sums: mat4x4f) {
  // m is a multiple of four.
  if (row >= u.m) { return; }
  store(z, row, column, sums[0]);
  store(z, row + 1u, column, sums[1]);
  store(z, row + 2u, column, sums[2]);
  store(z, row + 3u, column, sums[3]);
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let tile = linearWorkgroup(workgroup, workgroups);
  if (tile >= u.tilesM * u.tilesN * u.slices) { return; }
  let rowQuad0 = (tile % u.tilesM) * ROWS;
  let rest = tile / u.tilesM;
  let quad0 = (rest % u.tilesN) * COLUMNS;
  let z = rest / u.tilesN;
  let begin = u.split * z * u.chunk;
  let end = min(begin + u.chunk, u.k);

  // Rows and columns past the end repeat the last ones and are not stored, a k past the end is zero.
  var loads: Loads;
  for (var load = 0u; load < LOADS_A; load++) {
    let own = (load * THREADS + thread) / ROWS;
    loads.atA[load] = z * u.aBatch + (begin + own) * u.aStride + min(rowQuad0 + thread % ROWS, u.aStride - 1u);
  }
  for (var load = 0u; load < LOADS_B; load++) {
    let own = (load * THREADS + thread) / COLUMNS;
    loads.atB[load] = z * u.bBatch + (begin + own) * u.bStride + min(quad0 + thread % COLUMNS, u.bStride - 1u);
  }
  let across = thread % ACROSS;
  let down = thread / ACROSS;

  var sums00: mat4x4f;
  var sums01: mat4x4f;
  var sums10: mat4x4f;
  var sums11: mat4x4f;
  var sum = vec4f(0.0);
  bring(&loads, begin, end, thread);
  for (var k0 = begin; k0 < end; k0 += DEPTH) {
    for (var load = 0u; load < LOADS_A; load++) {
      let at = load * THREADS + thread;
      let mine = select(vec4f(0.0), vec4f(loads.a[load]), loads.okA[load]);
      sum += mine;
      if (IN_A % THREADS == 0 || at < IN_A) { tileA[at] = mine; }
    }
    for (var load = 0u; load < LOADS_B; load++) {
      let at = load * THREADS + thread;
      if (IN_B % THREADS == 0 || at < IN_B) {
        var value = vec4f(loads.b[load]);
        if (GELU) { value = geluWithSlope(aboveLeast(value)).value; }
        tileB[at] = select(vec4f(0.0), value, loads.okB[load]);
      }
    }
    workgroupBarrier();
    if (k0 + DEPTH < end) { bring(&loads, k0 + DEPTH, end, thread); }
    for (var k = 0u; k < DEPTH; k++) {
      let a0 = tileA[k * ROWS + down];
      let a1 = tileA[k * ROWS + DOWN + down];
      let b0 = tileB[k * COLUMNS + across];
      let b1 = tileB[k * COLUMNS + ACROSS + across];
      sums00 = add(sums00, a0, b0);
      sums01 = add(sums01, a0, b1);
      sums10 = add(sums10, a1, b0);
      sums11 = add(sums11, a1, b1);
    }
    workgroupBarrier();
  }

  let row = (rowQuad0 + down) * 4u;
  let column = (quad0 + across) * 4u;
  storeFour(z, row, column, sums00);
  storeFour(z, row, column + 4u * ACROSS, sums01);
  storeFour(z, row + 4u * DOWN, column, sums10);
  storeFour(z, row + 4u * DOWN, column + 4u * ACROSS, sums11);
  if (u.hasSums == 0u || quad0 != 0u) { return; }
  tileA[thread] = sum;
  workgroupBarrier();
  if (thread >= ROWS) { return; }
  for (var other = 1u; other < THREADS / ROWS; other++) { sum += tileA[other * ROWS + thread]; }
  storeSums(z, (rowQuad0 + thread) * 4u, sum);
}
