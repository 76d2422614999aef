// out[o, c, i] = scale * sum over the rows r of chunk c of x[o, r, i]: sum.wgsl for GPUs, where a thread's loads one after another would cost
// more than the memory's speed.
//
// Layouts as in sum.wgsl. A workgroup of 256 lanes owns COLUMNS items of a chunk (common/columnTree.wgsl). Rows of a chunk lie `chunks` times
// 256 / COLUMNS apart; a lane takes four of them at a time, so that four loads are under way. inner counts items, blocks is inner / COLUMNS rounded up.

// #include "common/grid.wgsl"
// #include "common/width.wgsl"
// #include "common/columnTree.wgsl"

struct Uniforms { workgroups: u32, extent: u32, inner: u32, blocks: u32, chunks: u32, scale: f32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<Item>;
@group(0) @binding(2) var<storage, read_write> out: array<ResultItem>;

@compute @workgroup_size(256)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups);
  if (index >= u.workgroups) { return; }
  let column = (index % u.blocks) * COLUMNS + lane % COLUMNS;
  let chunk = (index / u.blocks) % u.chunks;
  let outer = index / (u.blocks * u.chunks);
  let stride = u.chunks * (256u / COLUMNS);
  let first = outer * u.extent * u.inner + min(column, u.inner - 1u);
  var sum0 = Number(0.0);
  var sum1 = Number(0.0);
  var sum2 = Number(0.0);
  var sum3 = Number(0.0);
  var row = chunk * (256u / COLUMNS) + lane / COLUMNS;
  for (; row + 3u * stride < u.extent; row += 4u * stride) {
    sum0 += Number(x[first + row * u.inner]);
    sum1 += Number(x[first + (row + stride) * u.inner]);
    sum2 += Number(x[first + (row + 2u * stride) * u.inner]);
    sum3 += Number(x[first + (row + 3u * stride) * u.inner]);
  }
  for (; row < u.extent; row += stride) { sum0 += Number(x[first + row * u.inner]); }
  let total = columnTotal(lane, (sum0 + sum1) + (sum2 + sum3));
  if (lane >= COLUMNS || column >= u.inner) { return; }
  out[(outer * u.chunks + chunk) * u.inner + column] = ResultItem(total * u.scale);
}
