// What the kernels share whose threads own eight neighboring pixels of a row.

override KERNEL_WIDTH: i32 = 7;

struct Uniforms {
  threads: u32,
  channels4: u32,
  inHeight: i32,
  inWidth: i32,
  outHeight: u32,
  outWidth: u32,
  tiles: u32,
  paddingY: i32,
  paddingX: i32,
  kernelHeight: i32,
  tapFirst: i32,
  tapStep: i32,
  hasBias: u32,
  hasAddend: u32,
}

// #include "common/depthwise.wgsl"
