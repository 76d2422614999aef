/** Plans weight gradients of any geometry, one weight per thread. */
import { gridFor, type PlanTarget, type StorageFormat } from '../../gpu/kernel.ts';
import { kernel } from '../../gpu/shaderKernel.ts';
import { sizeOf } from '../../tensor/spec.ts';
import { type ConvolutionGeometry, weightShape } from './geometry.ts';
import { Steps } from './steps.ts';

export const gradWeightKernel = kernel('conv2d/gradWeight');

/** Stride, dilation and padding under the names that kernels have for them. */
export function placementUniforms({ stride, dilation, padding }: ConvolutionGeometry) {
  return {
    strideY: stride[0],
    strideX: stride[1],
    dilationY: dilation[0],
    dilationX: dilation[1],
    paddingY: padding[0],
    paddingX: padding[1],
  };
}

/** Chunks of a sum over `extent` so that about `wanted` threads run, each adding at least `least` terms. */
export function chunksFor(threads: number, wanted: number, extent: number, least: number): number {
  return Math.max(1, Math.min(Math.ceil(wanted / threads), Math.floor(extent / least)));
}

/** The steps from `x` (in0) and `gradOutput` (in1), in the element format `storage`, to out0 in float32, one weight per thread: any geometry. */
export function planSimpleGradWeight(geometry: ConvolutionGeometry, storage: StorageFormat, target: PlanTarget): Steps {
  const { batch, input, inChannels, output, outChannels, kernel, groups } = geometry;
  const weights = sizeOf(weightShape(geometry));
  const pixels = batch * output[0] * output[1];
  const chunks = chunksFor(weights, target.deviceClass === 'software' ? 256 : 65_536, pixels, 16);
  const steps = new Steps(storage);
  steps.sumOfChunks(chunks, weights, 'out0', target, (partial) => ({
    kernel: gradWeightKernel,
    storage,
    buffers: { x: 'in0', gradOutput: 'in1', partial },
    uniforms: {
      size: weights * chunks,
      weights,
      chunks,
      pixels,
      inHeight: input[0],
      inWidth: input[1],
      inChannels,
      outHeight: output[0],
      outWidth: output[1],
      outChannels,
      kernelWidth: kernel[1],
      ...placementUniforms(geometry),
      inPerGroup: inChannels / groups,
      outPerGroup: outChannels / groups,
    },
    workgroups: gridFor(weights * chunks, 64),
  }));
  return steps;
}
