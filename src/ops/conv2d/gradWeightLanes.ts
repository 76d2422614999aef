import { foldGrid, type Plan, type PlanTarget } from '../../gpu/kernel.ts';
import { sizeOf } from '../../tensor/spec.ts';
import { defineKernel } from '../definition.ts';
import { usableLanes } from './gatherLanes.ts';
import { type ConvolutionGeometry, folded, weightShape } from './geometry.ts';
import { chunksFor, placementUniforms, planPartials } from './gradWeight.ts';

export const gradWeightLanesKernel = defineKernel({
  name: 'conv2d/gradWeightLanes',
  bindings: [
    { name: 'x', access: 'read', type: 'vec4f' },
    { name: 'gradOutput', access: 'read', type: 'vec4f' },
    { name: 'partial', access: 'read_write', type: 'vec4f' },
  ],
  uniforms: {
    pixels: 'u32',
    run: 'u32',
    inHeight: 'i32',
    inWidth: 'i32',
    inChannels4: 'u32',
    outHeight: 'i32',
    outWidth: 'i32',
    outChannels4: 'u32',
    kernelWidth: 'u32',
    taps: 'u32',
    strideY: 'i32',
    strideX: 'i32',
    dilationY: 'i32',
    dilationX: 'i32',
    paddingY: 'i32',
    paddingX: 'i32',
    rows: 'u32',
    columns: 'u32',
    workgroups: 'u32',
  },
  overrides: ['LANES'],
  features: ['subgroups'],
});

/** Workgroups (of one subgroup each) that keep a software adapter's cores evenly busy. */
const WANTED_WORKGROUPS = 64;

/** From in0 and in1 to out0; null where channels are not in fours, the convolution is grouped or there are no such lanes. */
export function planLanesGradWeight(original: ConvolutionGeometry, target: PlanTarget): Plan | null {
  const geometry = folded(original);
  const { batch, input, inChannels, output, outChannels, kernel, groups } = geometry;
  const lanes = usableLanes(target);
  if (lanes === 0 || groups !== 1 || inChannels % 4 !== 0 || outChannels % 4 !== 0) return null;
  const pixels = batch * output[0] * output[1];
  const taps = kernel[0] * kernel[1];
  const rows = Math.ceil(inChannels / 8);
  const columns = Math.ceil(outChannels / 4 / lanes);
  const wanted = chunksFor(taps * rows * columns, WANTED_WORKGROUPS, pixels, 64);
  const run = Math.ceil(pixels / wanted / lanes) * lanes;
  const chunks = Math.ceil(pixels / run);
  const workgroups = chunks * taps * rows * columns;
  return planPartials(chunks, sizeOf(weightShape(geometry)), 'out0', target, (partial) => ({
    kernel: gradWeightLanesKernel,
    buffers: { x: 'in0', gradOutput: 'in1', partial },
    uniforms: {
      pixels,
      run,
      inHeight: input[0],
      inWidth: input[1],
      inChannels4: inChannels / 4,
      outHeight: output[0],
      outWidth: output[1],
      outChannels4: outChannels / 4,
      kernelWidth: kernel[1],
      taps,
      ...placementUniforms(geometry),
      rows,
      columns,
      workgroups,
    },
    overrides: { LANES: lanes },
    workgroups: foldGrid(workgroups),
  }));
}
