// gradX[n, y, x, c] = sum of gradOutput over those windows whose argmax is this pixel + addend[n, y, x, c] where there is one. NHWC. A gather: no atomics, fixed order.
//
// `lanes` threads share a square of two by two input pixels, whose windows are mostly the same, and walk its items, channels one by one or in fours
// (common/width.wgsl; `channels` counts items): the windows are worked out once per square. One thread takes a whole square on software adapters,
// neighboring threads take neighboring channels on GPUs. What of a square lies outside is not stored.

// #include "common/grid.wgsl"
// #include "common/walk.wgsl"
// #include "common/sixAxes.wgsl"
// #include "common/width.wgsl"

override KERNEL_Y: u32 = 2u;
override KERNEL_X: u32 = 2u;

struct Uniforms {
  items: u32, share: u32, lanes: u32, channels: u32,
  extent1: u32, extent2: u32, extent3: u32, extent4: u32, extent5: u32,
  step0: u32, step1: u32, step2: u32, step3: u32, step4: u32, step5: u32,
  inHeight: u32, inWidth: u32, outHeight: u32, outWidth: u32,
  strideY: u32, strideX: u32, paddingY: u32, paddingX: u32, dilationY: u32, dilationX: u32,
  hasAddend: u32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> gradOutput: array<Item>;
@group(0) @binding(2) var<storage, read> argmax: array<Index>;
@group(0) @binding(3) var<storage, read> addend: array<Item>;
@group(0) @binding(4) var<storage, read_write> gradX: array<Item>;

fn store(at: u32, sum: Number) {
  var value = sum;
  if (u.hasAddend != 0u) { value += Number(addend[at]); }
  gradX[at] = Item(value);
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let span = spanOf(linearWorkgroup(workgroup, workgroups), u.share, u.items);
  var at = placeOf(span.begin + lane);
  for (var item = span.begin + lane; item < span.end; item += THREADS) {
    let inY = 2u * at.i3;
    let inX = 2u * at.i4;
    let plane = at.i2 * u.outHeight * u.outWidth;
    let pixel = (at.i2 * u.inHeight + inY) * u.inWidth + inX;
    let index = inY * u.inWidth + inX;
    let hasRight = inX + 1u < u.inWidth;
    let hasBelow = inY + 1u < u.inHeight;
    // Windows [first, last) along each axis are those that reach this square.
    let reachY = u.dilationY * (KERNEL_Y - 1u);
    let reachX = u.dilationX * (KERNEL_X - 1u);
    let aboveY = inY + u.paddingY;
    let aboveX = inX + u.paddingX;
    let firstY = (max(aboveY, reachY) - reachY + u.strideY - 1u) / u.strideY;
    let firstX = (max(aboveX, reachX) - reachX + u.strideX - 1u) / u.strideX;
    let lastY = min((aboveY + 1u) / u.strideY + 1u, u.outHeight);
    let lastX = min((aboveX + 1u) / u.strideX + 1u, u.outWidth);
    for (var channel = at.i5; channel < u.channels; channel += u.lanes) {
      let none = Number(0.0);
      var sum = none;
      var sumRight = none;
      var sumBelow = none;
      var sumDiagonal = none;
      for (var outY = firstY; outY < lastY; outY++) {
        for (var outX = firstX; outX < lastX; outX++) {
          let window = (plane + outY * u.outWidth + outX) * u.channels + channel;
          let g = Number(gradOutput[window]);
          let winner = argmax[window];
          sum += select(none, g, winner == Index(index));
          sumRight += select(none, g, winner == Index(index + 1u));
          sumBelow += select(none, g, winner == Index(index + u.inWidth));
          sumDiagonal += select(none, g, winner == Index(index + u.inWidth + 1u));
        }
      }
      let own = pixel * u.channels + channel;
      let below = own + u.inWidth * u.channels;
      store(own, sum);
      if (hasRight) { store(own + u.channels, sumRight); }
      if (hasBelow) { store(below, sumBelow); }
      if (hasRight && hasBelow) { store(below + u.channels, sumDiagonal); }
    }
    at = placeAfter(at);
  }
}
