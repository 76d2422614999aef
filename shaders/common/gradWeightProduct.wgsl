// Uniforms and bindings of the weight gradients that are matrix products (conv2d/gradWeightTile.wgsl and its like).

// #include "common/storage.wgsl"

struct Uniforms {
  pixels: u32,
  run: u32,
  inHeight: i32,
  inWidth: i32,
  inChannels4: u32,
  outHeight: i32,
  outWidth: i32,
  outChannels4: u32,
  kernelWidth: u32,
  taps: u32,
  strideY: i32,
  strideX: i32,
  dilationY: i32,
  dilationX: i32,
  paddingY: i32,
  paddingX: i32,
  rows: u32,
  columns: u32,
  workgroups: u32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<Vec4>;
@group(0) @binding(2) var<storage, read> gradOutput: array<Vec4>;
@group(0) @binding(3) var<storage, read_write> partial: array<vec4f>;
