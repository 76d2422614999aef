/**
 * Global names that the package's declarations use and not every consumer has: WebGPU's own types, `AbortSignal`, and `URL` (in zod's). The empty interfaces
 * merge with those of TypeScript's DOM library (which has WebGPU from TypeScript 6 on), of @webgpu/types or of @types/node, whichever the consumer
 * has, and stand alone where there is none. A reference to @webgpu/types would bring each name a second time beside the DOM library.
 */
declare global {
  interface AbortSignal {}
  interface GPUAdapter {}
  interface GPUAdapterInfo {}
  interface GPUBindGroup {}
  interface GPUBindGroupLayout {}
  interface GPUBuffer {}
  interface GPUCommandEncoder {}
  interface GPUComputePassTimestampWrites {}
  interface GPUComputePipeline {}
  interface GPUDevice {}
  interface URL {}
}

export {};
