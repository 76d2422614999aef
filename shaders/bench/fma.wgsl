// x = x * a + b over and over: the adapter's own multiply-add rate, which the benchmark holds every other kernel against.
//
// A thread owns eight independent chains in registers and touches memory once, at its end. Eight hide a latency of four
// cycles on two units and still fit the 16 vector registers of AVX2, where a software adapter holds each chain in one
// register; with more they spill. One turn of the loop is 16 multiply-adds a chain, so that the loop itself costs little.
// USE_FMA: the builtin, or product and sum that the driver may contract; the bench tries both.

// #include "common/grid.wgsl"

override USE_FMA: bool = true;

struct Uniforms {
  turns: u32,
  a: f32,
  b: f32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read_write> out: array<vec4f>;

fn once(x: vec4f) -> vec4f {
  if (USE_FMA) {
    return fma(x, vec4f(u.a), vec4f(u.b));
  }
  return x * u.a + u.b;
}

fn four(x: vec4f) -> vec4f {
  return once(once(once(once(x))));
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups) * 64u + lane;
  var x = vec4f(f32(lane), 1.0, 2.0, 3.0);
  var y = vec4f(f32(lane), 4.0, 5.0, 6.0);
  for (var turn = 0u; turn < u.turns; turn++) {
    x = four(x);
    y = four(y);
    x = four(x);
    y = four(y);
    x = four(x);
    y = four(y);
    x = four(x);
    y = four(y);
  }
  out[index] = x + y;
}
