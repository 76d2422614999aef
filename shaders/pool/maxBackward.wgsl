// gradX[n, y, x, c] = sum of gradOutput over those windows whose argmax is this pixel + addend[n, y, x, c] where there is one. NHWC. A gather: no atomics, fixed order.
//
// `lanes` threads share an input pixel and walk its items, channels one by one or in fours (common/width.wgsl; `channels` counts
// items): the windows are worked out once per pixel. One thread takes a whole pixel on software adapters, neighboring threads take
// neighboring channels on GPUs.

// #include "common/grid.wgsl"
// #include "common/width.wgsl"

override KERNEL_Y: u32 = 2u;
override KERNEL_X: u32 = 2u;

struct Uniforms {
  outputs: u32, lanes: u32, channels: u32,
  inHeight: u32, inWidth: u32, outHeight: u32, outWidth: u32,
  strideY: u32, strideX: u32, paddingY: u32, paddingX: u32, dilationY: u32, dilationX: u32,
  hasAddend: u32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> gradOutput: array<Item>;
@group(0) @binding(2) var<storage, read> argmax: array<Index>;
@group(0) @binding(3) var<storage, read> addend: array<Item>;
@group(0) @binding(4) var<storage, read_write> gradX: array<Item>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let thread = linearWorkgroup(workgroup, workgroups) * 64u + lane;
  if (thread >= u.outputs * u.lanes) { return; }
  let pixel = thread / u.lanes;
  let inX = pixel % u.inWidth;
  let inY = (pixel / u.inWidth) % u.inHeight;
  let plane = pixel / (u.inWidth * u.inHeight) * u.outHeight * u.outWidth;
  // Windows [first, last) along each axis are those that reach this pixel.
  let reachY = u.dilationY * (KERNEL_Y - 1u);
  let reachX = u.dilationX * (KERNEL_X - 1u);
  let aboveY = inY + u.paddingY;
  let aboveX = inX + u.paddingX;
  let firstY = (max(aboveY, reachY) - reachY + u.strideY - 1u) / u.strideY;
  let firstX = (max(aboveX, reachX) - reachX + u.strideX - 1u) / u.strideX;
  let lastY = min(aboveY / u.strideY + 1u, u.outHeight);
  let lastX = min(aboveX / u.strideX + 1u, u.outWidth);
  for (var channel = thread % u.lanes; channel < u.channels; channel += u.lanes) {
    var sum = Number(0.0);
    for (var outY = firstY; outY < lastY; outY++) {
      for (var outX = firstX; outX < lastX; outX++) {
        let at = (plane + outY * u.outWidth + outX) * u.channels + channel;
        sum += select(Number(0.0), Number(gradOutput[at]), argmax[at] == Index(inY * u.inWidth + inX));
      }
    }
    let own = pixel * u.channels + channel;
    if (u.hasAddend != 0u) { sum += Number(addend[own]); }
    gradX[own] = Item(sum);
  }
}
