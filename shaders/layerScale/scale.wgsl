// out[r, c] = residual[r, c] + factor[r / rowsPerSample] * gamma[c] * x[r, c]
//
// Without HAS_RESIDUAL the first summand is left out, without HAS_GAMMA or HAS_FACTOR these are 1; their bindings then hold some other input.
// A thread owns one element. The simple version: any number of channels.

// #include "common/grid.wgsl"
// #include "common/storage.wgsl"

override HAS_RESIDUAL: u32 = 0u;
override HAS_GAMMA: u32 = 0u;
override HAS_FACTOR: u32 = 0u;

struct Uniforms { rows: u32, lanes: u32, channels: u32, rowsPerSample: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> residual: array<Scalar>;
@group(0) @binding(2) var<storage, read> x: array<Scalar>;
@group(0) @binding(3) var<storage, read> gamma: array<f32>;
@group(0) @binding(4) var<storage, read> factor: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<Scalar>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let thread = linearWorkgroup(workgroup, workgroups) * 64u + lane;
  if (thread >= u.rows * u.channels) { return; }
  let row = thread / u.channels;
  var scale = 1.0;
  if (HAS_FACTOR == 1u) { scale = factor[row / u.rowsPerSample]; }
  let channel = thread % u.channels;
  {
    let at = row * u.channels + channel;
    var value = scale * f32(x[at]);
    if (HAS_GAMMA == 1u) { value *= gamma[channel]; }
    if (HAS_RESIDUAL == 1u) { value += f32(residual[at]); }
    out[at] = Scalar(value);
  }
}
