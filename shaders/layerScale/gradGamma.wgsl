// partial[k, c] = sum over rows r = k, k + chunks, … of factor[r / rowsPerSample] * gradOutput[r, c] * x[r, c]
//
// The chunks are added up by the sum kernels in a second pass: fixed order, no atomics. Without HAS_FACTOR the factor is 1 and its binding
// holds some other input. A thread owns one chunk of one item, a channel or four (common/width.wgsl; `channels` counts items); rows of a chunk lie `chunks` apart so that
// neighboring threads read neighboring memory.

// #include "common/grid.wgsl"
// #include "common/width.wgsl"

override HAS_FACTOR: u32 = 0u;

struct Uniforms { rows: u32, channels: u32, chunks: u32, rowsPerSample: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> gradOutput: array<Item>;
@group(0) @binding(2) var<storage, read> x: array<Item>;
@group(0) @binding(3) var<storage, read> factor: array<f32>;
@group(0) @binding(4) var<storage, read_write> partial: array<Number>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let thread = linearWorkgroup(workgroup, workgroups) * 64u + lane;
  if (thread >= u.chunks * u.channels) { return; }
  let channel = thread % u.channels;
  var sum = Number(0.0);
  for (var row = thread / u.channels; row < u.rows; row += u.chunks) {
    let at = row * u.channels + channel;
    var product = Number(gradOutput[at]) * Number(x[at]);
    if (HAS_FACTOR == 1u) { product *= factor[row / u.rowsPerSample]; }
    sum += product;
  }
  partial[thread] = sum;
}
