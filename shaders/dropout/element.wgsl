// out[i] = x[i] * scale where the uniform number of element i is at least p, else 0.
//
// The mask is a pure function of (seed[0] = seed, seed[1] = stream, i): backward computes it again instead of reading it back. A
// group of four is one Philox block. Threads and the partial last group as in unary/forward.wgsl.

// #include "common/grid.wgsl"
// #include "common/walk.wgsl"
// #include "common/wholeGroup.wgsl"
// #include "common/storage.wgsl"
// #include "common/random.wgsl"

struct Uniforms { size: u32, share: u32, p: f32, scale: f32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<Vec4>;
@group(0) @binding(2) var<storage, read> seed: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<Vec4>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let span = spanOf(linearWorkgroup(workgroup, workgroups), u.share, (u.size + 3u) / 4u);
  for (var item = span.begin + lane; item < span.end; item += THREADS) {
    let kept = randomUniform4(seed[0], seed[1], item) >= vec4f(u.p);
    // A product, so that NaN stays where it is dropped, as in PyTorch.
    let value = vec4f(x[item]) * select(vec4f(0.0), vec4f(u.scale), kept);
    let left = u.size - item * 4u;
    if (isWhole(left)) {
      out[item] = Vec4(value);
    } else {
      for (var k = 0u; k < left; k++) { out[item][k] = Scalar(value[k]); }
    }
  }
}
