// gradX[n, y, x, c] = sum of gradOutput / divisor over the windows that hold this pixel; divisors as in avg.wgsl. NHWC. A gather: no
// atomics, fixed order.
//
// `lanes` threads share an input pixel and walk its items, channels one by one or in fours (common/width.wgsl; `channels` counts
// items): the windows are worked out once per pixel. One thread takes a whole pixel on software adapters, neighboring threads take
// neighboring channels on GPUs.

// #include "common/grid.wgsl"
// #include "common/width.wgsl"

override KERNEL_Y: u32 = 2u;
override KERNEL_X: u32 = 2u;
override COUNT_PADDING: u32 = 1u;

struct Uniforms {
  outputs: u32, lanes: u32, channels: u32,
  inHeight: u32, inWidth: u32, outHeight: u32, outWidth: u32,
  strideY: u32, strideX: u32, paddingY: u32, paddingX: u32, dilationY: u32, dilationX: u32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> gradOutput: array<Item>;
@group(0) @binding(2) var<storage, read_write> gradX: array<Item>;

// Elements of window `at` along one axis that lie within the input; average pooling has no dilation.
fn within(at: u32, stride: u32, padding: u32, kernel: u32, extent: u32) -> u32 {
  let start = i32(at * stride) - i32(padding);
  return u32(min(start + i32(kernel), i32(extent)) - max(start, 0));
}

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
        var count = KERNEL_Y * KERNEL_X;
        if (COUNT_PADDING == 0u) {
          count = within(outY, u.strideY, u.paddingY, KERNEL_Y, u.inHeight)
            * within(outX, u.strideX, u.paddingX, KERNEL_X, u.inWidth);
        }
        sum += Number(gradOutput[(plane + outY * u.outWidth + outX) * u.channels + channel]) / f32(count);
      }
    }
    gradX[pixel * u.channels + channel] = Item(sum);
  }
}
