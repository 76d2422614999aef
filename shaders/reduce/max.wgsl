// out[o, c, i] = max over r = c, c + chunks, c + 2 chunks, … < extent of x[o, r, i]
//
// Layouts, chunks and order as in sum.wgsl. A thread owns one item, an output element or
// four neighboring ones (common/width.wgsl): `inner` and `outputs` count items.

// #include "common/grid.wgsl"
// #include "common/width.wgsl"
// #include "common/nan.wgsl"

struct Uniforms { outputs: u32, extent: u32, inner: u32, chunks: u32 }

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
  var best = Number(x[(outer * u.extent + min(chunk, u.extent - 1u)) * u.inner + column]);
  for (var row = chunk + u.chunks; row < u.extent; row += u.chunks) {
    best = largerOf(best, Number(x[(outer * u.extent + row) * u.inner + column]));
  }
  out[i] = ResultItem(best);
}
