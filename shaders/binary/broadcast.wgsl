// out[i] = a[i] (+ - * /) b[i], NumPy broadcasting, any rank up to 6.
//
// Layout: row-major. The output's extents are padded at the front with 1 to six axes; a stretched axis has stride 0.
// A thread owns several output elements of its workgroup's span, and steps from one to the next without dividing. Simple on purpose: this is
// the version that serves every shape.

// #include "common/grid.wgsl"
// #include "common/walk.wgsl"
// #include "common/sixAxes.wgsl"
// #include "common/storage.wgsl"
// #include "common/binaryOperation.wgsl"

struct Uniforms {
  size: u32, share: u32,
  extent1: u32, extent2: u32, extent3: u32, extent4: u32, extent5: u32,
  step0: u32, step1: u32, step2: u32, step3: u32, step4: u32, step5: u32,
  a0: u32, a1: u32, a2: u32, a3: u32, a4: u32, a5: u32,
  b0: u32, b1: u32, b2: u32, b3: u32, b4: u32, b5: u32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> a: array<Scalar>;
@group(0) @binding(2) var<storage, read> b: array<Scalar>;
@group(0) @binding(3) var<storage, read_write> out: array<Scalar>;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let span = spanOf(linearWorkgroup(workgroup, workgroups), u.share, u.size);
  var at = placeOf(span.begin + lane);
  for (var i = span.begin + lane; i < span.end; i += THREADS) {
    let atA = at.i0 * u.a0 + at.i1 * u.a1 + at.i2 * u.a2 + at.i3 * u.a3 + at.i4 * u.a4 + at.i5 * u.a5;
    let atB = at.i0 * u.b0 + at.i1 * u.b1 + at.i2 * u.b2 + at.i3 * u.b3 + at.i4 * u.b4 + at.i5 * u.b5;
    out[i] = Scalar(operate(vec4f(f32(a[atA])), vec4f(f32(b[atB]))).x);
    at = placeAfter(at);
  }
}
