// The formula of rows.wgsl for windows of up to 7 x 7, through workgroup memory: for GPUs.
//
// A workgroup of 32 threads owns 8 x 8 pixels of four groups of four channels. It brings the 14 x 14 pixels that these look at, zeros outside,
// so that a pixel is read three times instead of twelve and the loop over taps has no conditions. A thread owns four channels of a row of eight
// pixels and moves a window of eight registers along it, as in rows.wgsl. Rows in workgroup memory are a pixel longer than what
// they hold: two neighboring ones then meet different banks. Threads of a subgroup need not run together: a barrier stands between.

// #include "common/grid.wgsl"
// #include "common/storage.wgsl"
// #include "common/depthwise.wgsl"

override KERNEL_WIDTH: i32 = 7;

struct Uniforms {
  workgroups: u32,
  channels4: u32,
  groups: u32,
  inHeight: i32,
  inWidth: i32,
  outHeight: u32,
  outWidth: u32,
  tilesX: u32,
  tilesY: u32,
  paddingY: i32,
  paddingX: i32,
  kernelHeight: i32,
  tapFirst: i32,
  tapStep: i32,
  hasBias: u32,
  hasAddend: u32,
}

const SIDE = 14u;
const ROW = 60u;

// pixels[y * ROW + x * 4 + group]
var<workgroup> pixels: array<vec4f, SIDE * ROW>;

@compute @workgroup_size(32)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let index = linearWorkgroup(workgroup, workgroups);
  if (index >= u.workgroups) { return; }
  let group = thread % 4u;
  let lane = thread / 4u;
  // Groups past the end repeat the last one and are not stored.
  let own = (index % u.groups) * 4u + group;
  let channel = min(own, u.channels4 - 1u);
  let tile = index / u.groups;
  let x = tile % u.tilesX * 8u;
  let y = tile / u.tilesX % u.tilesY * 8u;
  let image = tile / (u.tilesX * u.tilesY);

  // A thread brings columns `lane` and lane + 8 of every row.
  let fromX = i32(x + lane) - u.paddingX;
  let inside0 = u32(fromX) < u32(u.inWidth);
  let inside1 = lane < 6u && u32(fromX + 8) < u32(u.inWidth);
  let stride = u32(u.inWidth) * u.channels4;
  let first = image * u32(u.inHeight) * stride + channel;
  for (var row = 0u; row < SIDE; row++) {
    let fromY = i32(y + row) - u.paddingY;
    let insideY = u32(fromY) < u32(u.inHeight);
    let place = first + u32(fromY) * stride + u32(fromX) * u.channels4;
    let ok0 = insideY && inside0;
    let ok1 = insideY && inside1;
    let value0 = source[select(0u, place, ok0)];
    let value1 = source[select(0u, place + 8u * u.channels4, ok1)];
    pixels[row * ROW + thread] = select(vec4f(0.0), vec4f(value0), ok0);
    if (thread < 24u) { pixels[row * ROW + 32u + thread] = select(vec4f(0.0), vec4f(value1), ok1); }
  }
  workgroupBarrier();

  var sum0 = vec4f(0.0);
  if (u.hasBias != 0u) { sum0 = bias[channel]; }
  var sum1 = sum0;
  var sum2 = sum0;
  var sum3 = sum0;
  var sum4 = sum0;
  var sum5 = sum0;
  var sum6 = sum0;
  var sum7 = sum0;
  // Bounds that are constants: no index needs a check.
  for (var ky = 0u; ky < 7u; ky++) {
    if (i32(ky) >= u.kernelHeight) { break; }
    let at = (lane + ky) * ROW + group;
    var r0 = pixels[at];
    var r1 = pixels[at + 4u];
    var r2 = pixels[at + 8u];
    var r3 = pixels[at + 12u];
    var r4 = pixels[at + 16u];
    var r5 = pixels[at + 20u];
    var r6 = pixels[at + 24u];
    var r7 = pixels[at + 28u];
    for (var kx = 0; kx < 7; kx++) {
      if (kx >= KERNEL_WIDTH) { break; }
      let tap = u.tapFirst + (i32(ky) * KERNEL_WIDTH + kx) * u.tapStep;
      let w = vec4f(weight[u32(tap) * u.channels4 + channel]);
      sum0 = fma(r0, w, sum0);
      sum1 = fma(r1, w, sum1);
      sum2 = fma(r2, w, sum2);
      sum3 = fma(r3, w, sum3);
      sum4 = fma(r4, w, sum4);
      sum5 = fma(r5, w, sum5);
      sum6 = fma(r6, w, sum6);
      sum7 = fma(r7, w, sum7);
      r0 = r1;
      r1 = r2;
      r2 = r3;
      r3 = r4;
      r4 = r5;
      r5 = r6;
      r6 = r7;
      if (kx + 1 < KERNEL_WIDTH) { r7 = pixels[at + 32u + 4u * u32(kx)]; }
    }
  }

  if (own >= u.channels4 || y + lane >= u.outHeight) { return; }
  let to = ((image * u.outHeight + y + lane) * u.outWidth + x) * u.channels4 + channel;
  let left = u.outWidth - x;
  store(to, sum0);
  if (left > 1u) { store(to + u.channels4, sum1); }
  if (left > 2u) { store(to + u.channels4 * 2u, sum2); }
  if (left > 3u) { store(to + u.channels4 * 3u, sum3); }
  if (left > 4u) { store(to + u.channels4 * 4u, sum4); }
  if (left > 5u) { store(to + u.channels4 * 5u, sum5); }
  if (left > 6u) { store(to + u.channels4 * 6u, sum6); }
  if (left > 7u) { store(to + u.channels4 * 7u, sum7); }
}
