/** The grid of the kernels that walk over all elements, whatever the shape. */
import { foldGrid, type KernelDefinition, type Plan, type PlanTarget, type StorageFormat } from '../gpu/kernel.ts';

/** Threads of a workgroup of these kernels. */
const THREADS = 64;

/**
 * A walk over `count` items (elements, or groups of four), several for each thread: the workgroups, and the items that each of them has (`spanOf` in
 * shaders/common/grid.wgsl).
 */
export function walkOver(count: number, target: PlanTarget): { workgroups: [number, number, number]; share: number } {
  // Software adapters pay for every invocation, GPUs for idle lanes.
  const share = THREADS * (target.deviceClass === 'software' ? 16 : 2);
  return { workgroups: foldGrid(Math.ceil(count / share)), share };
}

/** The items of each of `workgroups` that walk over `count` of them: whole turns of their threads. */
export function shareOf(count: number, [x, y, z]: readonly [number, number, number]): number {
  return THREADS * Math.ceil(count / (THREADS * x * y * z));
}

/** Whether `size` elements are whole groups of four, for kernels over shaders/common/wholeGroup.wgsl. */
export function wholeGroups(size: number): { WHOLE: number } {
  return { WHOLE: size % 4 === 0 ? 1 : 0 };
}

/** One dispatch over `size` elements in groups of four, each thread taking several. */
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
  const { workgroups, share } = walkOver(Math.ceil(size / 4), target);
  const uniforms = { size, share, ...settings.uniforms };
  const overrides = { ...wholeGroups(size), ...settings.overrides };
  return { dispatches: [{ ...settings, kernel, buffers, workgroups, uniforms, overrides }] };
}
