/// <reference types="@webgpu/types" preserve="true" />
/**
 * gmtl as a library: the engine, its modules, optimisers and the multitask network. `createEngine` makes the engine in Node; in a browser
 * build one from `GpuDevice.open(adapter, …)` and the same classes.
 */
export { type AdapterChoice, listAdapters } from './engine/node/open.ts';
export { Engine, type EngineOptions, engine, noGrad, scope, setEngine } from './engine/autograd/engine.ts';
export { Tensor } from './engine/autograd/tensor.ts';
export { gradcheck } from './engine/check/gradcheck.ts';
export { createEngine, type CreateEngineOptions } from './engine/node/createEngine.ts';
export { GmtlError } from './engine/errors.ts';
export { readSafetensors, writeSafetensors } from './engine/node/safetensorsFile.ts';
export type { SafetensorsFile, StoredTensor, StoredTensors } from './engine/io/safetensors.ts';
export { GpuDevice } from './engine/gpu/device.ts';
export { kernel } from './engine/gpu/shaderKernel.ts';
export {
  CONVNEXT_VARIANTS,
  ConvNeXt,
  type ConvNeXtConfig,
  type ConvNeXtVariant,
  convnext,
} from './engine/models/convnext.ts';
export { GatedMultitaskNet, type GatedOptions } from './retina/network/multitask.ts';
export { MultitaskNet, type MultitaskOutput, type Routes } from './retina/network/network.ts';
export { RoutedUnet, type RoutedUnetOptions } from './retina/network/routedUnet.ts';
export * as functional from './engine/nn/functional.ts';
export * as init from './engine/nn/init.ts';
export * from './engine/nn/layers.ts';
export { block, type ExternalTensor, type LoadReport, Module } from './engine/nn/module.ts';
export { Parameter } from './engine/nn/parameter.ts';
export { RandomSource } from './engine/nn/randomSource.ts';
export type { Backend } from './engine/ops/backend.ts';
export { defineOp, defineProgram, type Op, type Program } from './engine/ops/definition.ts';
export { GpuBackend } from './engine/ops/gpuBackend.ts';
export { ops } from './engine/ops/index.ts';
export { ReferenceBackend } from './engine/ops/referenceBackend.ts';
export * from './engine/optim/index.ts';
