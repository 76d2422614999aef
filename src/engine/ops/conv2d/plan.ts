/** Chooses the version of a convolution and of its gradients. */
import type { Plan, PlanTarget, StorageFormat } from '../../gpu/kernel.ts';
import { sumKernels } from '../reduce/plan.ts';
import { type Gather, type GatherBuffers, gatherKernel, planSimpleGather } from './gather.ts';
import {
  fasterTile,
  gatherLanesKernel,
  gatherMatrixKernel,
  gatherSubgroupKernel,
  gatherTileKernel,
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
export const gradWeightVersions = ['simple', 'lanes', 'tile', 'subgroupMatrix'] as const;
/** `smallTile` is `tile` for few pixels. */
export const gatherVersions = [...gradWeightVersions, 'smallTile'] as const;

/** The plan in the version asked for, else in the fastest that can. */
function choose<Version extends string>(
  versions: readonly Version[],
  version: string | undefined,
  fastest: Exclude<Version, 'simple'>,
  simple: () => Plan,
  product: (version: Exclude<Version, 'simple'>) => Plan | null,
): Plan | null {
  if (version === undefined) return product(fastest) ?? simple();
  const known = versions.find((name) => name === version);
  if (known === undefined) throw new Error(`convolution: no version is called ${version}`);
  return known === 'simple' ? simple() : product(known as Exclude<Version, 'simple'>);
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
  const shaped = misfit ? plain : fold;
  const pixels = shaped.batch * shaped.to[0] * shaped.to[1];
  return choose(
    gatherVersions,
    version,
    target.deviceClass === 'software' ? 'lanes' : fasterTile(pixels, shaped.toChannels),
    () => planSimpleGather(plain, buffers, relu),
    (product) => planProductGather(product, shaped, buffers, toChannels, relu, target),
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
    gradWeightVersions,
    version,
    target.deviceClass === 'software' ? 'lanes' : 'tile',
    () => planSimpleGradWeight(geometry, storage, target).plan,
    (product) => planProductGradWeight(product, geometry, storage, target),
  );
}
