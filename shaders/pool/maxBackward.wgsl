// gradX[n, y, x, c] = sum of gradOutput over those windows whose argmax is this pixel + addend[n, y, x, c] where there is one. NHWC. A gather: no atomics, fixed order.
//
// `lanes` threads share a square of two by two input pixels, whose windows are mostly the same, and walk its items, channels one by one or in fours
// (common/width.wgsl; `channels` counts items): the windows are worked out once per square. One thread takes a whole square on software adapters,
// neighboring threads take neighboring channels on GPUs. What of a square lies outside is not stored.

// #include "common/grid.wgsl"
// #include "common/width.wgsl"

override KERNEL_Y: u32 = 2u;
override KERNEL_X: u32 = 2u;

struct Uniforms {
  squares: u32, lanes: u32, channels: u32,
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

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3u,
  @builtin(num_workgroups) workgroups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let thread = linearWorkgroup(workgroup, workgroups) * 64u + lane;
  if (thread >= u.squares * u.lanes) { return; }
  let square = thread / u.lanes;
  let across = (u.inWidth + 1u) / 2u;
  let down = (u.inHeight + 1u) / 2u;
  let inX = 2u * (square % across);
  let inY = 2u * ((square / across) % down);
  let n = square / (across * down);
  let plane = n * u.outHeight * u.outWidth;
  let pixel = (n * u.inHeight + inY) * u.inWidth + inX;
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
  for (var channel = thread % u.lanes; channel < u.channels; channel += u.lanes) {
    let none = Number(0.0);
    var sum = none;
    var sumRight = none;
    var sumBelow = none;
    var sumDiagonal = none;
    for (var outY = firstY; outY < lastY; outY++) {
      for (var outX = firstX; outX < lastX; outX++) {
        let at = (plane + outY * u.outWidth + outX) * u.channels + channel;
        let g = Number(gradOutput[at]);
        let winner = argmax[at];
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
}
