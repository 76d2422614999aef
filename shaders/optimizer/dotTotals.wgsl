// totals[0 .. width) = the first `width` numbers of the sum of slots first, first + 1, …, first + count - 1.
//
// One workgroup: a thread sums every 64th slot, then thread 0 the 64 sums, in order (as guard.wgsl).

struct Uniforms { first: u32, count: u32, width: u32 }

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> slots: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> totals: array<f32>;

var<workgroup> partial: array<vec4f, 64>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
  var own = vec4f(0.0);
  for (var slot = lane; slot < u.count; slot += 64u) { own += slots[u.first + slot]; }
  partial[lane] = own;
  workgroupBarrier();
  if (lane != 0u) { return; }
  var total = vec4f(0.0);
  for (var i = 0u; i < 64u; i++) { total += partial[i]; }
  for (var k = 0u; k < u.width; k++) { totals[k] = total[k]; }
}
