// Rows of up to eight columns, which a thread keeps in two groups of four: SHORT of them, known when the pipeline is made, or 0 where rows are longer.
// Written without a loop or an array: not every driver makes registers of those (SwiftShader does not).

override SHORT: u32 = 0u;

struct Row { low: vec4f, high: vec4f }

// `value` in the columns that a row has, `other` in those that it has not.
fn inRow(row: Row, other: f32) -> Row {
  let columns = vec4u(0u, 1u, 2u, 3u);
  return Row(
    select(vec4f(other), row.low, columns < vec4u(SHORT)),
    select(vec4f(other), row.high, columns + 4u < vec4u(SHORT)),
  );
}

// The largest number of a row, `least` or more.
fn rowMax(row: Row, least: f32) -> f32 {
  let own = inRow(row, least);
  let most = max(own.low, own.high);
  return max(max(most.x, most.y), max(most.z, most.w));
}

fn rowSum(row: Row) -> f32 {
  let own = inRow(row, 0.0);
  return own.low.x + own.low.y + own.low.z + own.low.w + own.high.x + own.high.y + own.high.z + own.high.w;
}
