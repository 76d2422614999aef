import type { Plan, PlanTarget } from '../../gpu/kernel.ts';
import { stridedKernel } from '../movement/strided.ts';
import { sumKernel, sumVec4Kernel } from '../reduce/plan.ts';
import { type Gather, type GatherBuffers, gatherKernel, planSimpleGather } from './gather.ts';
import { gatherLanesKernel, planLanesGather } from './gatherLanes.ts';
import { type ConvolutionGeometry, folded } from './geometry.ts';
import { gradWeightKernel, planSimpleGradWeight } from './gradWeight.ts';
import { gradWeightLanesKernel, planLanesGradWeight } from './gradWeightLanes.ts';

export const gatherKernels = [gatherKernel, stridedKernel, gatherLanesKernel];
export const gatherVersions = ['simple', 'lanes'];

/** The dispatches of a forward pass or a transposed convolution in the version asked for, else in the fastest that can. */
export function planGather(
  geometry: ConvolutionGeometry,
  direction: (geometry: ConvolutionGeometry) => Gather,
  buffers: GatherBuffers,
  relu: boolean,
  target: PlanTarget,
  version: string | undefined,
): Plan | null {
  const simple = () => planSimpleGather(direction(geometry), buffers, relu);
  const lanes = () =>
    planLanesGather(direction(folded(geometry)), buffers, direction(geometry).toChannels, relu, target);
  switch (version) {
    case undefined:
      return (target.deviceClass === 'software' ? lanes() : null) ?? simple();
    case 'simple':
      return simple();
    case 'lanes':
      return lanes();
    default:
      throw new Error(`conv2d: no version is called ${version}`);
  }
}

export const gradWeightKernels = [gradWeightKernel, gradWeightLanesKernel, sumKernel, sumVec4Kernel];
export const gradWeightVersions = ['simple', 'lanes'];

/** The dispatches of a weight gradient in the version asked for, else in the fastest that can. */
export function planGradWeight(
  geometry: ConvolutionGeometry,
  target: PlanTarget,
  version: string | undefined,
): Plan | null {
  switch (version) {
    case undefined:
      return (
        (target.deviceClass === 'software' ? planLanesGradWeight(geometry, target) : null) ??
        planSimpleGradWeight(geometry, target)
      );
    case 'simple':
      return planSimpleGradWeight(geometry, target);
    case 'lanes':
      return planLanesGradWeight(geometry, target);
    default:
      throw new Error(`conv2d.gradWeight: no version is called ${version}`);
  }
}
