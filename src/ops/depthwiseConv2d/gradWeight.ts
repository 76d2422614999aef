import { gridFor, type Plan, type PlanTarget, type StorageFormat } from '../../gpu/kernel.ts';
import type { ConvolutionGeometry } from '../conv2d/geometry.ts';
import { chunksFor, gradWeightKernel, planSimpleGradWeight } from '../conv2d/gradWeight.ts';
import { Steps } from '../conv2d/steps.ts';
import { defineKernel } from '../definition.ts';
import { finishKernel } from '../matmul/kernels.ts';
import { sumKernel, sumVec4Kernel } from '../reduce/plan.ts';
import { movesByPixels } from './plan.ts';

const gradWeightRowsKernel = defineKernel({
  name: 'depthwiseConv2d/gradWeightRows',
  bindings: [
    { name: 'x', access: 'read', type: 'Vec4' },
    { name: 'gradOutput', access: 'read', type: 'Vec4' },
    { name: 'partial', access: 'read_write', type: 'vec4f' },
    { name: 'partialSums', access: 'read_write', type: 'vec4f' },
  ],
  uniforms: {
    threads: 'u32',
    channels4: 'u32',
    kernelHeight: 'u32',
    chunks: 'u32',
    rows: 'u32',
    inHeight: 'i32',
    inWidth: 'i32',
    outHeight: 'u32',
    outWidth: 'i32',
    paddingY: 'i32',
    paddingX: 'i32',
  },
  overrides: ['KERNEL_WIDTH'],
});

export const depthwiseGradWeightKernels = [
  gradWeightKernel,
  gradWeightRowsKernel,
  finishKernel,
  sumKernel,
  sumVec4Kernel,
];

export const depthwiseGradWeightVersions = ['simple', 'rows'];

/** One weight a thread, and the gradient's own sum. */
function planSimple(geometry: ConvolutionGeometry, storage: StorageFormat, target: PlanTarget): Plan {
  const { batch, output, outChannels } = geometry;
  const steps = planSimpleGradWeight(geometry, storage, target);
  steps.sum('in1', 'out1', { outer: 1, extent: batch * output[0] * output[1], inner: outChannels }, target, storage);
  return steps.plan;
}

/** Partial sums by chunks of rows, of weights and bias, then one second pass for both; null as of `planRows` and for wide windows. */
function planGradWeightRows(geometry: ConvolutionGeometry, storage: StorageFormat, target: PlanTarget): Plan | null {
  const { batch, input, output, kernel, padding, outChannels } = geometry;
  if (!movesByPixels(geometry) || kernel[1] > 7) return null;
  const channels4 = outChannels / 4;
  const rows = batch * output[0];
  const chunkThreads = channels4 * kernel[0];
  const chunks = chunksFor(chunkThreads, target.deviceClass === 'software' ? 1024 : 65_536, rows, 1);
  const threads = chunkThreads * chunks;
  const steps = new Steps(storage);
  const taps = kernel[0] * kernel[1];
  const whole = chunks === 1;
  const partial = whole ? 'out0' : steps.scratch(chunks * taps * outChannels);
  const partialSums = whole ? 'out1' : steps.scratch(chunks * outChannels);
  steps.add({
    kernel: gradWeightRowsKernel,
    storage,
    buffers: { x: 'in0', gradOutput: 'in1', partial, partialSums },
    uniforms: {
      threads,
      channels4,
      kernelHeight: kernel[0],
      chunks,
      rows,
      inHeight: input[0],
      inWidth: input[1],
      outHeight: output[0],
      outWidth: output[1],
      paddingY: padding[0],
      paddingX: padding[1],
    },
    overrides: { KERNEL_WIDTH: kernel[1] },
    workgroups: gridFor(threads, 64),
  });
  if (!whole) {
    const size = taps * channels4;
    steps.add({
      kernel: finishKernel,
      buffers: { partial, partialSums, out: 'out0', sums: 'out1' },
      uniforms: { slices: chunks, size, sumsSize: channels4 },
      workgroups: gridFor(size + channels4, 64),
    });
  }
  return steps.plan;
}

/** The gradients of weight and bias from in0 (x) and in1 (gradOutput), in the element format `storage`, to out0 and out1, in the version asked for, else the fastest that can. */
export function planDepthwiseGradWeight(
  geometry: ConvolutionGeometry,
  storage: StorageFormat,
  target: PlanTarget,
  version: string | undefined,
): Plan | null {
  const rows = version === 'simple' ? null : planGradWeightRows(geometry, storage, target);
  return rows || version === 'rows' ? rows : planSimple(geometry, storage, target);
}
