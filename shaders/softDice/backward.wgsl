// gradX = gradOutput * (cP * q - cI * t) * s: (cI, cP) the coefficients [samples, channels] of finish.wgsl, q = 1 (2 p where SQUARED),
// s = p (1 - p) with p the sigmoid of x where FROM_LOGITS, else p = x and s = 1. Threads as in partial.wgsl.
// gradOutput is one number (gradStride 0), or one per group [samples, channels] (1).

// #include "common/grid.wgsl"
// #include "common/width.wgsl"
// #include "common/nan.wgsl"

override FROM_LOGITS: bool = true;
override SQUARED: bool = false;

struct Uniforms { samples: u32, perSample: u32, channels: u32, threads: u32, groups: u32, gradStride: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> gradOutput: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<Number>;
@group(0) @binding(3) var<storage, read> targets: array<Number>;
@group(0) @binding(4) var<storage, read> coefficients: array<vec2f>;
@group(0) @binding(5) var<storage, read_write> gradX: array<Number>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups);
  let sample = index / u.groups;
  let thread = (index % u.groups) * 64u + lane;
  if (sample >= u.samples || thread >= u.threads) { return; }
  var both = Number(0.0);
  var predicted = Number(0.0);
  for (var k = 0u; k < WIDTH; k++) {
    let entry = sample * u.channels + (thread * WIDTH + k) % u.channels;
    let pair = gradOutput[entry * u.gradStride] * coefficients[entry];
    setPart(&both, k, pair.x);
    setPart(&predicted, k, pair.y);
  }
  for (var i = thread; i < u.perSample; i += u.threads) {
    let at = sample * u.perSample + i;
    var p = x[at];
    var slope = Number(1.0);
    if (FROM_LOGITS) {
      let e = keepNan(p, exp(-clamp(abs(p), Number(0.0), Number(80.0))));
      slope = e / ((1.0 + e) * (1.0 + e));
      p = select(e, Number(1.0), p >= Number(0.0)) / (1.0 + e);
    }
    var q = Number(1.0);
    if (SQUARED) { q = 2.0 * p; }
    gradX[at] = (predicted * q - both * targets[at]) * slope;
  }
}
