// out[z, i, j] = f(bias[j] + sum over k of a[z, i, k] * b[z, k, j])
//
// a is [m, k], b is [k, n], in rows of whole vec4f (zeros past k where k is not a multiple of 4). For GPUs: a workgroup owns ROWS rows x
// COLUMNS groups of four columns, a thread eight rows x two groups, so that each vec4f read from workgroup memory serves 16 multiply-adds. It
// walks the k axis in steps of 8 or 4 through workgroup memory, where a lies four k of a row a vec4f, as in storage.
//
// What the next step needs is loaded into registers while this one multiplies. The guard of that load is the same for all threads and has no
// other arm, and what lies past the end becomes zero where it is stored, or AMD's compiler waits for the load before it multiplies. In float16
// it is converted there too, and with GELU a goes through gelu there: a forward pass need not store what the activation gives.

// #include "common/grid.wgsl"
// #include "common/product.wgsl"
// #constant ROWS
// #constant COLUMNS

override GELU: bool = false;

// Four k at a time where a thread would load two vec4f of a: more under way take AMD's compiler past 128 registers.
const DEPTH4 = select(1u, 2u, COLUMNS >= 32);
const ACROSS = COLUMNS / 2;
const DOWN = ROWS / 8;
const THREADS = ACROSS * DOWN;
// From a vec4f of one of a thread's rows to that of its next.
const NEXT = DOWN * DEPTH4;
const IN_A = ROWS * DEPTH4;
const LOADS_A = (IN_A + THREADS - 1) / THREADS;
const IN_B = COLUMNS * DEPTH4 * 4;
const LOADS_B = (IN_B + THREADS - 1) / THREADS;

// tileA[row * DEPTH4 + k / 4], tileB[k * COLUMNS + column / 4]
var<workgroup> tileA: array<vec4f, IN_A>;
var<workgroup> tileB: array<vec4f, IN_B>;

// Where a thread's next loads are, and what it has loaded.
struct Loads {
  atA: array<u32, LOADS_A>,
  atB: array<u32, LOADS_B>,
  a: array<Vec4, LOADS_A>,
  b: array<Vec4, LOADS_B>,
  okA: bool,
  okB: array<bool, LOADS_B>,
}

fn bring(loads: ptr<function, Loads>, k: u32, end: u32, thread: u32) {
  let okA = k + thread % DEPTH4 * 4u < end;
  (*loads).okA = okA;
  for (var load = 0u; load < LOADS_A; load++) {
    (*loads).a[load] = a[select(0u, (*loads).atA[load], okA)];
    (*loads).atA[load] += DEPTH4;
  }
  for (var load = 0u; load < LOADS_B; load++) {
    let ok = k + (load * THREADS + thread) / COLUMNS < end;
    (*loads).okB[load] = ok;
    (*loads).b[load] = b[select(0u, (*loads).atB[load], ok)];
    (*loads).atB[load] += DEPTH4 * 4u * u.bStride;
  }
}

// One row's sums and what four k of it add.
fn add(sum: vec4f, a: vec4f, b: mat4x4f) -> vec4f {
  return fma(b[3], vec4f(a.w), fma(b[2], vec4f(a.z), fma(b[1], vec4f(a.y), fma(b[0], vec4f(a.x), sum))));
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let tile = linearWorkgroup(workgroup, workgroups);
  if (tile >= u.tilesM * u.tilesN * u.slices) { return; }
  let row0 = (tile % u.tilesM) * ROWS;
  let rest = tile / u.tilesM;
  let quad0 = (rest % u.tilesN) * COLUMNS;
  let z = rest / u.tilesN;
  let begin = u.split * z * u.chunk;
  let end = min(begin + u.chunk, u.k);

  // Rows and columns past the end repeat the last ones and are not stored, a k past the end is zero.
  var loads: Loads;
  for (var load = 0u; load < LOADS_A; load++) {
    let row = (load * THREADS + thread) / DEPTH4;
    loads.atA[load] = z * u.aBatch + min(row0 + row, u.m - 1u) * u.aStride + begin / 4u + thread % DEPTH4;
  }
  for (var load = 0u; load < LOADS_B; load++) {
    let k = (load * THREADS + thread) / COLUMNS;
    loads.atB[load] = z * u.bBatch + (begin + k) * u.bStride + min(quad0 + thread % COLUMNS, u.bStride - 1u);
  }
  let across = thread % ACROSS;
  let down = thread / ACROSS;

  // Eight rows' sums, of the first and the second group.
  var s0 = vec4f(0.0); var t0 = vec4f(0.0);
  var s1 = vec4f(0.0); var t1 = vec4f(0.0);
  var s2 = vec4f(0.0); var t2 = vec4f(0.0);
  var s3 = vec4f(0.0); var t3 = vec4f(0.0);
  var s4 = vec4f(0.0); var t4 = vec4f(0.0);
  var s5 = vec4f(0.0); var t5 = vec4f(0.0);
  var s6 = vec4f(0.0); var t6 = vec4f(0.0);
  var s7 = vec4f(0.0); var t7 = vec4f(0.0);
  bring(&loads, begin, end, thread);
  for (var k0 = begin; k0 < end; k0 += DEPTH4 * 4u) {
    for (var load = 0u; load < LOADS_A; load++) {
      let at = load * THREADS + thread;
      if (IN_A % THREADS == 0 || at < IN_A) {
        var value = vec4f(loads.a[load]);
        if (GELU) { value = geluWithSlope(aboveLeast(value)).value; }
        tileA[at] = select(vec4f(0.0), value, loads.okA);
      }
    }
    for (var load = 0u; load < LOADS_B; load++) {
      let at = load * THREADS + thread;
      if (IN_B % THREADS == 0 || at < IN_B) { tileB[at] = select(vec4f(0.0), vec4f(loads.b[load]), loads.okB[load]); }
    }
    workgroupBarrier();
    if (k0 + DEPTH4 * 4u < end) { bring(&loads, k0 + DEPTH4 * 4u, end, thread); }
    for (var k = 0u; k < DEPTH4; k++) {
      let at = down * DEPTH4 + k;
      let first = k * 4u * COLUMNS + across;
      let b0 = mat4x4f(tileB[first], tileB[first + COLUMNS], tileB[first + 2 * COLUMNS], tileB[first + 3 * COLUMNS]);
      let other = first + ACROSS;
      let b1 = mat4x4f(tileB[other], tileB[other + COLUMNS], tileB[other + 2 * COLUMNS], tileB[other + 3 * COLUMNS]);
      let a0 = tileA[at]; s0 = add(s0, a0, b0); t0 = add(t0, a0, b1);
      let a1 = tileA[at + NEXT]; s1 = add(s1, a1, b0); t1 = add(t1, a1, b1);
      let a2 = tileA[at + 2 * NEXT]; s2 = add(s2, a2, b0); t2 = add(t2, a2, b1);
      let a3 = tileA[at + 3 * NEXT]; s3 = add(s3, a3, b0); t3 = add(t3, a3, b1);
      let a4 = tileA[at + 4 * NEXT]; s4 = add(s4, a4, b0); t4 = add(t4, a4, b1);
      let a5 = tileA[at + 5 * NEXT]; s5 = add(s5, a5, b0); t5 = add(t5, a5, b1);
      let a6 = tileA[at + 6 * NEXT]; s6 = add(s6, a6, b0); t6 = add(t6, a6, b1);
      let a7 = tileA[at + 7 * NEXT]; s7 = add(s7, a7, b0); t7 = add(t7, a7, b1);
    }
    workgroupBarrier();
  }

  // A loop, so that compilers do not copy the epilogue for each row; the sums move up, since an array that a loop indexes lies in memory on NVIDIA.
  let column = (quad0 + across) * 4u;
  let bias0 = biasOf(column);
  let bias1 = biasOf(column + 4u * ACROSS);
  for (var r = 0u; r < min(8u, u.m); r++) {
    let row = row0 + r * DOWN + down;
    if (row < u.m) {
      store(z, row, column, s0 + bias0);
      store(z, row, column + 4u * ACROSS, t0 + bias1);
    }
    s0 = s1; s1 = s2; s2 = s3; s3 = s4; s4 = s5; s5 = s6; s6 = s7;
    t0 = t1; t1 = t2; t2 = t3; t3 = t4; t4 = t5; t5 = t6; t6 = t7;
  }
}
