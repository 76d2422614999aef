// What the kernels for matrix units share. A workgroup of four subgroups owns 64 x 64 outputs, each subgroup a quadrant of 32 x 32 as
// an array of matrices. It walks the k axis in steps of DEPTH, through workgroup memory, where what lies past the ends is zero:
// tileB as [k, column], tileA as the kernel's own `leftOf` reads it. Sums leave through workgroup memory too (`stage`), one matrix of each
// quadrant at a time. Rows in workgroup memory are 8 elements longer than what they hold, to meet different banks.
//
// LANES, a power of two, is the lanes of a subgroup where a kernel can ask for it (common/subgroup.wgsl), else the most that one may have: where
// it has fewer there are more than four subgroups, and those past the fourth only bring and store. Offsets differ between subgroups, not
// within: Dawn cannot prove that and would refuse them, hence the kernels' `diagnostic(off, …)`.

// #include "common/matrixUnits.wgsl"
// #constant MATRIX_M
// #constant MATRIX_N
// #constant MATRIX_K
// #constant LANES
// #constant DEPTH

const THREADS = 4u * LANES;
const DOWN = 32u / MATRIX_M;
const ACROSS = 32u / MATRIX_N;
const ROW = 72u;
alias Quadrant = array<Sums, DOWN * ACROSS>;

var<workgroup> tileB: array<Scalar, DEPTH * ROW>;
// Also room for four numbers of each thread.
var<workgroup> stage: array<f32, max(4u * MATRIX_M * MATRIX_N, 16u * LANES)>;

fn bringB(k: u32, quad: u32, value: Vec4) {
  let at = k * ROW + quad * 4u;
  tileB[at] = value.x;
  tileB[at + 1u] = value.y;
  tileB[at + 2u] = value.z;
  tileB[at + 3u] = value.w;
}

// Four neighbors of tileA.
fn bringA(at: u32, value: Vec4) {
  tileA[at] = value.x;
  tileA[at + 1u] = value.y;
  tileA[at + 2u] = value.z;
  tileA[at + 3u] = value.w;
}

// Adds the products of what both tiles hold.
fn multiplyTiles(sums: ptr<function, Quadrant>, quadrant: u32) {
  if (quadrant >= 4u) { return; }
  let row0 = (quadrant % 2u) * 32u;
  let column0 = (quadrant / 2u) * 32u;
  for (var k = 0u; k < DEPTH; k += MATRIX_K) {
    var right: array<Right, ACROSS>;
    for (var j = 0u; j < ACROSS; j++) { right[j] = rightAt(k * ROW + column0 + j * MATRIX_N, ROW); }
    for (var i = 0u; i < DOWN; i++) {
      let left = leftOf(row0 + i * MATRIX_M, k);
      for (var j = 0u; j < ACROSS; j++) { addProduct(sums, i * ACROSS + j, left, right[j]); }
    }
  }
}

// Stages matrix `index` of a subgroup's quadrant.
fn stageQuadrant(quadrant: u32, sums: ptr<function, Quadrant>, index: u32) {
  if (quadrant < 4u) { stageSums(quadrant * STAGED, sums, index); }
}

// Four neighbors of one row of the workgroup's 64 x 64 outputs.
struct Staged {
  row: u32,
  column: u32,
  value: vec4f,
}

// Groups of four numbers in `stage`, which holds one matrix of each quadrant.
const STAGED = MATRIX_M * MATRIX_N;

// Group `each` of the STAGED groups of four, when matrix `index` of every quadrant is staged.
fn staged(index: u32, each: u32) -> Staged {
  let quadrant = each / (STAGED / 4u);
  let part = each % (STAGED / 4u);
  let row = (quadrant % 2u) * 32u + (index / ACROSS) * MATRIX_M + part / (MATRIX_N / 4u);
  let column = (quadrant / 2u) * 32u + (index % ACROSS) * MATRIX_N + (part % (MATRIX_N / 4u)) * 4u;
  let at = each * 4u;
  return Staged(row, column, vec4f(stage[at], stage[at + 1u], stage[at + 2u], stage[at + 3u]));
}
