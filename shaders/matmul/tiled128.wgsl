// out[z, i, j] = f(bias[j] + sum over k of a[z, i, k] * b[z, k, j])
//
// a is [m, k], b is [k, n], in rows of whole vec4f (zeros past k where k is not a multiple of 4). For GPUs and large outputs: a
// workgroup of 256 threads owns 128 x 128 of them and walks the k axis in steps of 8, through workgroup memory: each thread brings
// one vec4f of a and one of b, and multiplies 8 rows by 8 columns in registers, twice the arithmetic a byte of tiled.wgsl. a lies in
// workgroup memory as [k, row], rows 132 apart so that the scattered stores meet different banks; a thread's rows and columns come in fours
// 64 apart, for the same reason. (As [row, k] in vec4f the stores are whole, and AMD's compiler takes 144 registers instead of 108.)
//
// What the next step needs is loaded into registers while this one multiplies. The guard of that load is the same for all threads and has no
// other arm, and what lies past the end becomes zero where it is stored, or AMD's compiler waits for the load before it multiplies. In float16
// it is converted there too.

// #include "common/grid.wgsl"
// #include "common/product.wgsl"

const A_ROW = 132u;
var<workgroup> tileA: array<f32, 1056>;
var<workgroup> tileB: array<vec4f, 256>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let tile = linearWorkgroup(workgroup, workgroups);
  if (tile >= u.tilesM * u.tilesN * u.slices) { return; }
  let row0 = (tile % u.tilesM) * 128u;
  let rest = tile / u.tilesM;
  let quad0 = (rest % u.tilesN) * 32u;
  let z = rest / u.tilesN;
  let begin = u.split * z * u.chunk;
  let end = min(begin + u.chunk, u.k);

  // What this thread brings: four k of one row of a, one vec4f of a row of b. Rows and columns past the end repeat the last ones
  // and are not stored, a k past the end is zero.
  let kA = (thread % 2u) * 4u;
  let rowA = thread / 2u;
  let kB = thread / 32u;
  var atA = z * u.aBatch + min(row0 + rowA, u.m - 1u) * u.aStride + (begin + kA) / 4u;
  var atB = z * u.bBatch + (begin + kB) * u.bStride + min(quad0 + thread % 32u, u.bStride - 1u);
  // What it multiplies.
  let high = thread / 16u;
  let low = thread % 16u;

  var s0a = vec4f(0.0); var s0b = vec4f(0.0);
  var s1a = vec4f(0.0); var s1b = vec4f(0.0);
  var s2a = vec4f(0.0); var s2b = vec4f(0.0);
  var s3a = vec4f(0.0); var s3b = vec4f(0.0);
  var s4a = vec4f(0.0); var s4b = vec4f(0.0);
  var s5a = vec4f(0.0); var s5b = vec4f(0.0);
  var s6a = vec4f(0.0); var s6b = vec4f(0.0);
  var s7a = vec4f(0.0); var s7b = vec4f(0.0);
  var okA = begin + kA < end;
  var okB = begin + kB < end;
  var valueA = a[select(0u, atA, okA)];
  var valueB = b[select(0u, atB, okB)];
  for (var k0 = begin; k0 < end; k0 += 8u) {
    let mine = select(vec4f(0.0), vec4f(valueA), okA);
    let at = kA * A_ROW + rowA;
    tileA[at] = mine.x;
    tileA[at + A_ROW] = mine.y;
    tileA[at + 2u * A_ROW] = mine.z;
    tileA[at + 3u * A_ROW] = mine.w;
    tileB[thread] = select(vec4f(0.0), vec4f(valueB), okB);
    workgroupBarrier();
    if (k0 + 8u < end) {
      atA += 2u;
      atB += 8u * u.bStride;
      okA = k0 + 8u + kA < end;
      okB = k0 + 8u + kB < end;
      valueA = a[select(0u, atA, okA)];
      valueB = b[select(0u, atB, okB)];
    }
    for (var k = 0u; k < 8u; k++) {
      let fromA = k * A_ROW + high * 4u;
      let b0 = tileB[k * 32u + low];
      let b1 = tileB[k * 32u + 16u + low];
      let a0 = tileA[fromA]; s0a += a0 * b0; s0b += a0 * b1;
      let a1 = tileA[fromA + 1u]; s1a += a1 * b0; s1b += a1 * b1;
      let a2 = tileA[fromA + 2u]; s2a += a2 * b0; s2b += a2 * b1;
      let a3 = tileA[fromA + 3u]; s3a += a3 * b0; s3b += a3 * b1;
      let a4 = tileA[fromA + 64u]; s4a += a4 * b0; s4b += a4 * b1;
      let a5 = tileA[fromA + 65u]; s5a += a5 * b0; s5b += a5 * b1;
      let a6 = tileA[fromA + 66u]; s6a += a6 * b0; s6b += a6 * b1;
      let a7 = tileA[fromA + 67u]; s7a += a7 * b0; s7b += a7 * b1;
    }
    workgroupBarrier();
  }

  // A loop, so that compilers do not copy the epilogue for each row; the sums move up, since an array that a loop indexes lies in memory on NVIDIA.
  let column = (quad0 + low) * 4u;
  let biasA = biasOf(column);
  let biasB = biasOf(column + 64u);
  for (var r = 0u; r < min(8u, u.m); r++) {
    let row = row0 + r / 4u * 64u + high * 4u + r % 4u;
    if (row < u.m) {
      store(z, row, column, s0a + biasA);
      store(z, row, column + 64u, s0b + biasB);
    }
    s0a = s1a; s1a = s2a; s2a = s3a; s3a = s4a; s4a = s5a; s5a = s6a; s6a = s7a;
    s0b = s1b; s1b = s2b; s2b = s3b; s3b = s4b; s4b = s5b; s5b = s6b; s6b = s7b;
  }
}
