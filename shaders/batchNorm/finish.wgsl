// The statistics that x is normalized with: mean and rstd = 1 / sqrt(variance + eps) [columns].
//
// training 1: merges the chunks' means and sums of squared deviations [chunks, columns] (Chan, Golub and LeVeque 1979): the biased
// variance normalizes, the unbiased one enters the running variance; running = (1 - momentum) * running + momentum * batch, in place.
// training 0: the running statistics, left as they are; means and squares are not read.
//
// A thread owns a channel and takes the chunks in order. Chunk k holds the rows k, k + chunks, ….

// #include "common/grid.wgsl"

struct Uniforms { rows: u32, columns: u32, chunks: u32, training: u32, eps: f32, momentum: f32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> means: array<f32>;
@group(0) @binding(2) var<storage, read> squares: array<f32>;
@group(0) @binding(3) var<storage, read_write> runningMean: array<f32>;
@group(0) @binding(4) var<storage, read_write> runningVar: array<f32>;
@group(0) @binding(5) var<storage, read_write> mean: array<f32>;
@group(0) @binding(6) var<storage, read_write> rstd: array<f32>;
// [1]: how many batches entered the running statistics.
@group(0) @binding(7) var<storage, read_write> batches: array<f32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let c = linearWorkgroup(workgroup, workgroups) * 64u + lane;
  if (c >= u.columns) { return; }
  if (u.training == 0u) {
    mean[c] = runningMean[c];
    rstd[c] = inverseSqrt(runningVar[c] + u.eps);
    return;
  }
  // Deviations from the first chunk's mean keep the sum small.
  let origin = means[c];
  var sum = 0.0;
  for (var k = 0u; k < u.chunks; k++) {
    let count = f32((u.rows - k + u.chunks - 1u) / u.chunks);
    sum += count * (means[k * u.columns + c] - origin);
  }
  let total = origin + sum / f32(u.rows);
  var square = 0.0;
  for (var k = 0u; k < u.chunks; k++) {
    let count = f32((u.rows - k + u.chunks - 1u) / u.chunks);
    let d = means[k * u.columns + c] - total;
    square += squares[k * u.columns + c] + count * d * d;
  }
  mean[c] = total;
  rstd[c] = inverseSqrt(square / f32(u.rows) + u.eps);
  runningMean[c] = mix(runningMean[c], total, u.momentum);
  runningVar[c] = mix(runningVar[c], square / f32(u.rows - 1u), u.momentum);
  if (c == 0u) { batches[0] += 1.0; }
}
