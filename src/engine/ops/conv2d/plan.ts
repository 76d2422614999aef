/** Chooses the version of a convolution and of its gradients. */
import type { DeviceClass, Plan, PlanTarget, StorageFormat } from '../../gpu/kernel.ts';
import { sumKernels } from '../reduce/plan.ts';
import { type Gather, type GatherBuffers, gatherKernel, planSimpleGather } from './gather.ts';
import {
  gatherLanesKernel,
  gatherMatrixKernel,
  gatherSubgroupKernel,
  gatherTileKernel,
  type ProductVersion,
  planProductGather,
} from './gatherProduct.ts';
import { type ConvolutionGeometry, folded } from './geometry.ts';
import { gradWeightKernel, planSimpleGradWeight } from './gradWeight.ts';
import {
  gradWeightLanesKernel,
  gradWeightMatrixKernel,
  gradWeightSubgroupKernel,
  gradWeightTileKernel,
  planProductGradWeight,
} from './gradWeightProduct.ts';
import { repackKernel } from './steps.ts';

export const gatherKernels = [
  gatherKernel,
  repackKernel,
  gatherLanesKernel,
  gatherSubgroupKernel,
  gatherTileKernel,
  gatherMatrixKernel,
];
export const gradWeightKernels = [
  gradWeightKernel,
  repackKernel,
  gradWeightLanesKernel,
  gradWeightSubgroupKernel,
  gradWeightTileKernel,
  gradWeightMatrixKernel,
  ...sumKernels,
];
/** `simple` serves everything; `lanes`, `tile` and `subgroupMatrix` are matrix products over one group, for software adapters, GPUs and their matrix units. */
export const convolutionVersions: readonly string[] = ['simple', 'lanes', 'tile', 'subgroupMatrix'];

const FASTEST: Readonly<Record<DeviceClass, ProductVersion>> = { software: 'lanes', gpu: 'tile' };

/** The plan in the version asked for, else in the fastest that can. */
function choose(
  target: PlanTarget,
  version: string | undefined,
  simple: () => Plan,
  product: (version: ProductVersion) => Plan | null,
): Plan | null {
  switch (version) {
    case undefined:
      return product(FASTEST[target.deviceClass]) ?? simple();
    case 'simple':
      return simple();
    case 'lanes':
    case 'tile':
    case 'subgroupMatrix':
      return product(version);
    default:
      throw new Error(`convolution: no version is called ${version}`);
  }
}

/** The dispatches of a forward pass or, by the `direction` given, of a transposed convolution. */
export function planGather(
  geometry: ConvolutionGeometry,
  direction: (geometry: ConvolutionGeometry) => Gather,
  buffers: GatherBuffers,
  relu: boolean,
  target: PlanTarget,
  version: string | undefined,
): Plan | null {
  const plain = direction(geometry);
  const { toChannels } = plain;
  const fold = direction(folded(geometry));
  // Folded output channels are those of several pixels: a bias must then repeat after a whole number of vec4f.
  const misfit = buffers.bias !== undefined && toChannels % 4 !== 0 && fold.toChannels !== toChannels;
  return choose(
    target,
    version,
    () => planSimpleGather(plain, buffers, relu),
    (product) => planProductGather(product, misfit ? plain : fold, buffers, toChannels, relu, target),
  );
}

/** The dispatches of a weight gradient from in0 (x) and in1 (gradOutput), in the element format `storage`, to out0 in float32. */
export function planGradWeight(
  geometry: ConvolutionGeometry,
  storage: StorageFormat,
  target: PlanTarget,
  version: string | undefined,
): Plan | null {
  return choose(
    target,
    version,
    () => planSimpleGradWeight(geometry, storage, target).plan,
    (product) => planProductGradWeight(product, geometry, storage, target),
  );
}
