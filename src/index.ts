/// <reference types="@webgpu/types" preserve="true" />
/**
 * gmtl as a library: the engine, its modules, optimisers and the multitask network. `createEngine` makes the engine in Node; in a browser
 * build one from `GpuDevice.open(adapter, shaderFiles, …)` and the same classes.
 */
export { type AdapterChoice, listAdapters } from './gpu/node/open.ts';
export { Engine, type EngineOptions, engine, noGrad, scope, setEngine } from './autograd/engine.ts';
export { Tensor } from './autograd/tensor.ts';
export { gradcheck } from './autograd/gradcheck.ts';
export { createEngine, type CreateEngineOptions } from './createEngine.ts';
export { GmtlError } from './errors.ts';
export { readSafetensors, writeSafetensors } from './io/safetensors-file.ts';
export type { SafetensorsFile, StoredTensor, StoredTensors } from './io/safetensors.ts';
export { GpuDevice } from './gpu/device.ts';
export { CONVNEXT_VARIANTS, ConvNeXt, type ConvNeXtConfig, type ConvNeXtVariant, convnext } from './models/convnext.ts';
export { GatedMultitaskNet, type GatedOptions } from './models/multitask.ts';
export { MultitaskNet, type MultitaskOutput, type Routes } from './models/network.ts';
export { RoutedUnet, type RoutedUnetOptions } from './models/routedUnet.ts';
export * as functional from './nn/functional.ts';
export * as init from './nn/init.ts';
export * from './nn/layers.ts';
export { block, type ExternalTensor, type LoadReport, Module } from './nn/module.ts';
export { Parameter } from './nn/parameter.ts';
export { RandomSource } from './nn/randomSource.ts';
export type { Backend } from './ops/backend.ts';
export { defineKernel, defineOp, defineProgram, type Op, type Program } from './ops/definition.ts';
export { GpuBackend } from './ops/gpuBackend.ts';
export { ops } from './ops/index.ts';
export { ReferenceBackend } from './ops/referenceBackend.ts';
export * from './optim/index.ts';
