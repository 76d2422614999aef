// Uniforms and bindings of the gathers that are matrix products (conv2d/gatherTile.wgsl and its like): see conv2d/gather.wgsl for the formula.

// #include "common/storage.wgsl"

struct Uniforms {
  batch: u32,
  toHeight: u32,
  toWidth: u32,
  toChannels4: u32,
  fromHeight: i32,
  fromWidth: i32,
  fromChannels4: u32,
  kernelHeight: i32,
  kernelWidth: i32,
  multiplyY: i32,
  multiplyX: i32,
  tapY: i32,
  tapX: i32,
  offsetY: i32,
  offsetX: i32,
  divideY: i32,
  divideX: i32,
  phaseHeight: u32,
  phaseWidth: u32,
  phaseTiles: u32,
  columns: u32,
  biasChannels4: u32,
  workgroups: u32,
  hasBias: u32,
  relu: u32,
  hasAddend: u32,
}

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(1) var<storage, read> source: array<Vec4>;
@group(0) @binding(2) var<storage, read> weight: array<Vec4>;
@group(0) @binding(3) var<storage, read> bias: array<vec4f>;
@group(0) @binding(4) var<storage, read> addend: array<Vec4>;
@group(0) @binding(5) var<storage, read_write> out: array<Vec4>;
