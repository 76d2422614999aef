/**
 * What the package gives in a browser: the engine, its modules and optimizers, and the multitask networks. No Node module and no native package
 * is below it. In a browser an engine is made on the browser's adapter; the kernels' text comes with the package:
 *
 *     const { device } = await createBrowserDevice();
 *     setEngine(new Engine(new GpuBackend(device), { seed: 1 }));
 */
export type {} from './globals.ts';

export { engine, noGrad, scope, setEngine } from './engine/autograd/currentEngine.ts';
export { Engine, type EngineOptions } from './engine/autograd/engine.ts';
export { Tensor } from './engine/autograd/tensor.ts';
export { gradcheck } from './engine/check/gradcheck.ts';
export { GmtlError } from './engine/errors.ts';
export {
  decodeSafetensors,
  type EncodableTensor,
  encodeSafetensors,
  type SafetensorsFile,
  type StoredTensor,
  type StoredTensors,
} from './engine/io/safetensors.ts';
export { type BrowserDevice, type BrowserDeviceOptions, createBrowserDevice } from './engine/gpu/browserDevice.ts';
export { GpuDevice, type GpuDeviceOptions } from './engine/gpu/device.ts';
export type { DeviceClass } from './engine/gpu/kernel.ts';
export { kernel } from './engine/gpu/shaderKernel.ts';
export {
  CONVNEXT_VARIANTS,
  ConvNeXt,
  type ConvNeXtConfig,
  type ConvNeXtVariant,
  convnext,
} from './engine/models/convnext.ts';
export {
  BasicBlock,
  Bottleneck,
  RESNET_VARIANTS,
  ResNet,
  type ResNetConfig,
  type ResNetVariant,
  resnet,
} from './engine/models/resnet.ts';
export { Unet, UnetDecoder, type UnetOptions } from './engine/models/unet.ts';
export { recompute } from './engine/autograd/recompute.ts';
export { Replay, type ReplayOptions } from './engine/autograd/replay.ts';
export { GatedMultitaskNet, type GatedOptions } from './retina/network/multitask.ts';
export { MultitaskNet, type MultitaskOutput, type Routes } from './retina/network/network.ts';
export { RoutedUnet, type RoutedUnetOptions } from './retina/network/routedUnet.ts';
export { type Collated, DataLoader, type DataLoaderOptions, type Dataset } from './engine/nn/dataLoader.ts';
export * as functional from './engine/nn/functional.ts';
export * as init from './engine/nn/init.ts';
export * from './engine/nn/container.ts';
export * from './engine/nn/convolution.ts';
export * from './engine/nn/layer.ts';
export * from './engine/nn/linear.ts';
export * from './engine/nn/normalization.ts';
export * from './engine/nn/stateless.ts';
export { block, type ExternalTensor, type LoadableTensor, type LoadReport, Module } from './engine/nn/module.ts';
export { Parameter } from './engine/nn/parameter.ts';
export { RandomSource } from './engine/nn/randomSource.ts';
export type { Backend } from './engine/ops/backend.ts';
export { defineOp, defineProgram, type Op, type Program } from './engine/ops/definition.ts';
export { GpuBackend, type GpuBackendOptions } from './engine/ops/gpuBackend.ts';
export { ops } from './engine/ops/index.ts';
export { ReferenceBackend } from './engine/ops/referenceBackend.ts';
export * from './engine/optim/index.ts';
