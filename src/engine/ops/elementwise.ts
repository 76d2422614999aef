/** The grid of the kernels that walk over all elements, whatever the shape. */
import { gridFor, type KernelDefinition, type Plan, type PlanTarget, type StorageFormat } from '../gpu/kernel.ts';

/** One dispatch over `size` elements in groups of four, each thread taking several on software adapters. */
export function elementwisePlan(
  kernel: KernelDefinition,
  buffers: Plan['dispatches'][number]['buffers'],
  size: number,
  target: PlanTarget,
  settings: {
    uniforms?: Record<string, number>;
    overrides?: Record<string, number>;
    storage?: StorageFormat;
    result?: StorageFormat;
  } = {},
): Plan {
  const groupsPerThread = target.deviceClass === 'software' ? 16 : 2;
  const workgroups = gridFor(Math.ceil(size / 4 / groupsPerThread), 64);
  const stride = workgroups[0] * workgroups[1] * 64;
  return {
    dispatches: [{ ...settings, kernel, buffers, workgroups, uniforms: { size, stride, ...settings.uniforms } }],
  };
}
