// out[r, c] = residual[r, c] + factor[r / rowsPerSample] * gamma[c] * x[r, c]
//
// Without HAS_RESIDUAL the first summand is left out, without HAS_GAMMA or HAS_FACTOR these are 1; their bindings then hold some other input.
// `lanes` threads share a row and walk its items, channels one by one or in fours (common/width.wgsl; `channels` counts items).

// #include "common/grid.wgsl"
// #include "common/width.wgsl"

override HAS_RESIDUAL: u32 = 0u;
override HAS_GAMMA: u32 = 0u;
override HAS_FACTOR: u32 = 0u;

struct Uniforms { rows: u32, lanes: u32, channels: u32, rowsPerSample: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> residual: array<Item>;
@group(0) @binding(2) var<storage, read> x: array<Item>;
@group(0) @binding(3) var<storage, read> gamma: array<Number>;
@group(0) @binding(4) var<storage, read> factor: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<Item>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let thread = linearWorkgroup(workgroup, workgroups) * 64u + lane;
  if (thread >= u.rows * u.lanes) { return; }
  let row = thread / u.lanes;
  var scale = 1.0;
  if (HAS_FACTOR == 1u) { scale = factor[row / u.rowsPerSample]; }
  for (var channel = thread % u.lanes; channel < u.channels; channel += u.lanes) {
    let at = row * u.channels + channel;
    var value = scale * Number(x[at]);
    if (HAS_GAMMA == 1u) { value *= gamma[channel]; }
    if (HAS_RESIDUAL == 1u) { value += Number(residual[at]); }
    out[at] = Item(value);
  }
}
