// out[z, i, j] = sum over k of a[z, k, i] * b[z, k, j]: the gradient of a weight, a sum over all pixels; and sums, of a alone
//
// For GPUs and large outputs: a workgroup of 256 threads owns 128 x 128 of them and walks the k axis in steps of 8, through workgroup
// memory: each thread brings one vec4f of a and one of b, and multiplies 8 rows by 8 columns in registers. What the next step
// needs is loaded into registers while this one multiplies (see tiled128.wgsl). A thread adds up the numbers of a that it brings, one row of k in
// eight; the workgroups of the first columns add those up in the end. A thread's rows and columns come in fours 64 apart: fewer threads share a bank.

// #include "common/grid.wgsl"
// #include "common/productTransposed.wgsl"

var<workgroup> tileA: array<vec4f, 256>;
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

  // What this thread brings: four rows of one k of a, four columns of the same k of b. Rows and columns past the end repeat the
  // last ones and are not stored, a k past the end is zero.
  let own = thread / 32u;
  let quad = thread % 32u;
  var atA = z * u.aBatch + (begin + own) * u.aStride + min(row0 / 4u + quad, u.aStride - 1u);
  var atB = z * u.bBatch + (begin + own) * u.bStride + min(quad0 + quad, u.bStride - 1u);
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
  var sum = vec4f(0.0);
  var ok = begin + own < end;
  var valueA = a[select(0u, atA, ok)];
  var valueB = b[select(0u, atB, ok)];
  for (var k0 = begin; k0 < end; k0 += 8u) {
    let mine = select(vec4f(0.0), vec4f(valueA), ok);
    tileA[thread] = mine;
    tileB[thread] = select(vec4f(0.0), vec4f(valueB), ok);
    sum += mine;
    workgroupBarrier();
    if (k0 + 8u < end) {
      atA += 8u * u.aStride;
      atB += 8u * u.bStride;
      ok = k0 + 8u + own < end;
      valueA = a[select(0u, atA, ok)];
      valueB = b[select(0u, atB, ok)];
    }
    for (var k = 0u; k < 8u; k++) {
      let a0 = tileA[k * 32u + high];
      let a1 = tileA[k * 32u + 16u + high];
      let b0 = tileB[k * 32u + low];
      let b1 = tileB[k * 32u + 16u + low];
      s0a += a0.x * b0; s0b += a0.x * b1;
      s1a += a0.y * b0; s1b += a0.y * b1;
      s2a += a0.z * b0; s2b += a0.z * b1;
      s3a += a0.w * b0; s3b += a0.w * b1;
      s4a += a1.x * b0; s4b += a1.x * b1;
      s5a += a1.y * b0; s5b += a1.y * b1;
      s6a += a1.z * b0; s6b += a1.z * b1;
      s7a += a1.w * b0; s7b += a1.w * b1;
    }
    workgroupBarrier();
  }

  // A loop, so that compilers do not copy the stores for each row; the sums move up as in tiled128.wgsl.
  let column = (quad0 + low) * 4u;
  for (var r = 0u; r < min(8u, u.m); r++) {
    let row = row0 + r / 4u * 64u + high * 4u + r % 4u;
    if (row < u.m) {
      store(z, row, column, s0a);
      store(z, row, column + 64u, s0b);
    }
    s0a = s1a; s1a = s2a; s2a = s3a; s3a = s4a; s4a = s5a; s5a = s6a; s6a = s7a;
    s0b = s1b; s1b = s2b; s2b = s3b; s3b = s4b; s4b = s5b; s5b = s6b; s6b = s7b;
  }
  if (u.hasSums == 0u || quad0 != 0u) { return; }
  tileA[thread] = sum;
  workgroupBarrier();
  if (thread >= 32u) { return; }
  for (var other = 1u; other < 8u; other++) { sum += tileA[other * 32u + quad]; }
  storeSums(z, row0 + quad * 4u, sum);
}
