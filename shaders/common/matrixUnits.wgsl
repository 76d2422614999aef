// Matrices that the lanes of a subgroup hold together, as chromium_experimental_subgroup_matrix gives them (Vulkan's cooperative matrices, Metal's
// simdgroup matrices): products of MATRIX_M x MATRIX_K by MATRIX_K x MATRIX_N numbers, sums in float32. Which lane holds which
// element is up to the device. Tests put kernels-test/matrixUnits.wgsl in this file's place, which does the same in plain WGSL.

alias Left = subgroup_matrix_left<Scalar, MATRIX_K, MATRIX_M>;
alias Right = subgroup_matrix_right<Scalar, MATRIX_N, MATRIX_K>;
alias Sums = subgroup_matrix_result<f32, MATRIX_N, MATRIX_M>;

// From tileA as [row, k], rows `stride` apart.
fn leftAt(offset: u32, stride: u32) -> Left {
  return subgroupMatrixLoad<Left, row_major>(&tileA, offset, stride);
}

// From tileA as [k, row].
fn leftTransposedAt(offset: u32, stride: u32) -> Left {
  return subgroupMatrixLoad<Left, col_major>(&tileA, offset, stride);
}

// From tileB as [k, column].
fn rightAt(offset: u32, stride: u32) -> Right {
  return subgroupMatrixLoad<Right, row_major>(&tileB, offset, stride);
}

fn addProduct(sums: ptr<function, Quadrant>, index: u32, left: Left, right: Right) {
  (*sums)[index] = subgroupMatrixMultiplyAccumulate(left, right, (*sums)[index]);
}

// To stage as [row, column].
fn stageSums(offset: u32, sums: ptr<function, Quadrant>, index: u32) {
  subgroupMatrixStore<row_major>(&stage, offset, (*sums)[index], MATRIX_N);
}
