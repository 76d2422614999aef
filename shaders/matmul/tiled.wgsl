// out[z, i, j] = f(bias[j] + sum over k of a[z, i, k] * b[z, k, j])
//
// a is [m, k] or [k, m], b is [k, n], in rows of whole vec4f (zeros past k where k is no multiple of 4). For GPUs: a
// workgroup of 256 threads owns 64 x 64 outputs and walks the k axis in steps of 16, through workgroup memory: each
// thread brings one vec4f of a and one of b, and multiplies 4 rows by 4 columns in registers. a lies in workgroup memory as [k, row],
// rows 68 apart so that the scattered stores of [m, k] meet different banks.

// #include "common/grid.wgsl"
// #include "common/matmulStore.wgsl"

// Whether a is stored [k, m].
override A_TRANSPOSED: bool = false;

// aStride, bStride, aBatch and bBatch count vec4f. Slice z is a batch entry or, where split is 1, the part
// z * chunk .. z * chunk + chunk - 1 of the k axis (chunk is a multiple of 4).
struct Uniforms {
  m: u32, n: u32, k: u32, chunk: u32, split: u32, slices: u32, tilesM: u32, tilesN: u32,
  aStride: u32, aBatch: u32, bStride: u32, bBatch: u32,
  hasBias: u32, writesPre: u32, relu: u32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> a: array<vec4f>;
@group(0) @binding(2) var<storage, read> b: array<vec4f>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
@group(0) @binding(5) var<storage, read_write> pre: array<f32>;

const A_ROW = 68u;
var<workgroup> tileA: array<f32, 1088>;
var<workgroup> tileB: array<vec4f, 256>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let tile = linearWorkgroup(workgroup, workgroups);
  if (tile >= u.tilesM * u.tilesN * u.slices) { return; }
  let row0 = (tile % u.tilesM) * 64u;
  let rest = tile / u.tilesM;
  let quad0 = (rest % u.tilesN) * 16u;
  let z = rest / u.tilesN;
  let begin = u.split * z * u.chunk;
  let end = min(begin + u.chunk, u.k);

  // What this thread brings: of [m, k] four k of one row, of [k, m] four rows of one k; rows and columns past the end repeat
  // the last ones and are not stored, a k past the end is zero.
  let high = thread / 16u;
  let low = thread % 16u;
  let kA = select((thread % 4u) * 4u, high, A_TRANSPOSED);
  let rowA = select(thread / 4u, low * 4u, A_TRANSPOSED);
  var atA = z * u.aBatch;
  if (A_TRANSPOSED) {
    atA += (begin + kA) * u.aStride + min(row0 / 4u + low, u.aStride - 1u);
  } else {
    atA += min(row0 + rowA, u.m - 1u) * u.aStride + (begin + kA) / 4u;
  }
  var atB = z * u.bBatch + (begin + high) * u.bStride + min(quad0 + low, u.bStride - 1u);

  var s0 = vec4f(0.0);
  var s1 = vec4f(0.0);
  var s2 = vec4f(0.0);
  var s3 = vec4f(0.0);
  for (var k0 = begin; k0 < end; k0 += 16u) {
    var valueA = vec4f(0.0);
    if (k0 + kA < end) { valueA = a[atA]; }
    var valueB = vec4f(0.0);
    if (k0 + high < end) { valueB = b[atB]; }
    if (A_TRANSPOSED) {
      let at = kA * A_ROW + rowA;
      tileA[at] = valueA.x;
      tileA[at + 1u] = valueA.y;
      tileA[at + 2u] = valueA.z;
      tileA[at + 3u] = valueA.w;
      atA += 16u * u.aStride;
    } else {
      let at = kA * A_ROW + rowA;
      tileA[at] = valueA.x;
      tileA[at + A_ROW] = valueA.y;
      tileA[at + 2u * A_ROW] = valueA.z;
      tileA[at + 3u * A_ROW] = valueA.w;
      atA += 4u;
    }
    tileB[thread] = valueB;
    atB += 16u * u.bStride;
    workgroupBarrier();
    for (var k = 0u; k < 16u; k++) {
      let at = k * A_ROW + high * 4u;
      let valueOfB = tileB[k * 16u + low];
      s0 += tileA[at] * valueOfB;
      s1 += tileA[at + 1u] * valueOfB;
      s2 += tileA[at + 2u] * valueOfB;
      s3 += tileA[at + 3u] * valueOfB;
    }
    workgroupBarrier();
  }

  let row = row0 + high * 4u;
  if (row >= u.m) { return; }
  // A loop of unknown length, so that compilers do not copy the epilogue for each row.
  var sums = array<vec4f, 4>(s0, s1, s2, s3);
  let column = (quad0 + low) * 4u;
  let columnBias = biasOf(column);
  let rows = min(4u, u.m - row);
  for (var r = 0u; r < rows; r++) {
    store(z, row + r, column, sums[r] + columnBias);
  }
}
