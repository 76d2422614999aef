// Replaces shaders/common/matrixUnits.wgsl on adapters without matrix units: every lane holds whole sums and does all of the work, operands are
// read in place, and all lanes of a subgroup stage the same numbers. Loops are long, because Mesa unrolls short ones, which takes minutes.

// Index of row 0, column 0 in a tile, and the distances to the next row and column.
struct Corner {
  offset: u32,
  row: u32,
  column: u32,
}
alias Left = Corner;
alias Right = Corner;
alias Sums = array<f32, MATRIX_M * MATRIX_N>;

fn leftAt(offset: u32, stride: u32) -> Left {
  return Corner(offset, stride, 1u);
}

fn leftTransposedAt(offset: u32, stride: u32) -> Left {
  return Corner(offset, 1u, stride);
}

fn rightAt(offset: u32, stride: u32) -> Right {
  return Corner(offset, stride, 1u);
}

fn addProduct(sums: ptr<function, Quadrant>, index: u32, left: Left, right: Right) {
  for (var each = 0u; each < MATRIX_M * MATRIX_N * MATRIX_K; each++) {
    let k = each % MATRIX_K;
    let at = each / MATRIX_K;
    let a = tileA[left.offset + at / MATRIX_N * left.row + k * left.column];
    let b = tileB[right.offset + k * right.row + at % MATRIX_N * right.column];
    (*sums)[index][at] += f32(a) * f32(b);
  }
}

fn stageSums(offset: u32, sums: ptr<function, Quadrant>, index: u32) {
  for (var at = 0u; at < MATRIX_M * MATRIX_N; at++) { stage[offset + at] = (*sums)[index][at]; }
}
