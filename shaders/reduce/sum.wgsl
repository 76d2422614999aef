// out[o, c, i] = scale * sum over r = c, c + chunks, c + 2 chunks, … < extent of x[o, r, i]
//
// Layouts: x is [outer, extent, inner], out is [outer, chunks, inner]. A long sum is cut into
// chunks (more threads, shorter sums) and this kernel runs again over the chunks: fixed order, no atomics, bitwise repeatable.
// Summands of a chunk lie `chunks` apart so that neighboring threads read neighboring rows. A thread owns one item, an output element or
// four neighboring ones (common/width.wgsl): `inner` and `outputs` count items.

// #include "common/grid.wgsl"
// #include "common/width.wgsl"

struct Uniforms { outputs: u32, extent: u32, inner: u32, chunks: u32, scale: f32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<Item>;
@group(0) @binding(2) var<storage, read_write> out: array<ResultItem>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = linearWorkgroup(workgroup, workgroups) * 64u + lane;
  if (i >= u.outputs) { return; }
  let column = i % u.inner;
  let chunk = (i / u.inner) % u.chunks;
  let outer = i / (u.inner * u.chunks);
  var sum = Number(0.0);
  var row = chunk;
  // In stretches of 16, so that the rounding of a long sum grows with the number of stretches, not of its terms.
  while (row < u.extent) {
    let end = min(u.extent, row + 16u * u.chunks);
    var stretch = Number(0.0);
    for (; row < end; row += u.chunks) { stretch += Number(x[(outer * u.extent + row) * u.inner + column]); }
    sum += stretch;
  }
  out[i] = ResultItem(sum * u.scale);
}
