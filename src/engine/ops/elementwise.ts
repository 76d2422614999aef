/** The grid of the kernels that walk over all elements, whatever the shape. */
import { foldGrid, type KernelDefinition, type Plan, type PlanTarget, type StorageFormat } from '../gpu/kernel.ts';

/** How workgroups walk over items (shaders/common/walk.wgsl). */
export interface Walk {
  readonly workgroups: [number, number, number];
  /** Items of each workgroup. */
  readonly share: number;
  readonly overrides: {
    /** Threads of a workgroup. */
    readonly THREADS: number;
  };
}

/** Workgroups that keep every core of a software adapter busy to the end. */
const BUSY = 32;

/**
 * A walk over `count` items (elements, groups of four, rows), several for each thread. Software adapters pay for every invocation (lavapipe
 * divides 24 times before eight of them begin) and run a workgroup's subgroups one after the other: there a workgroup is one subgroup or two
 * and has much to do, `fewest` turns or more. On GPUs a thread has two turns, or one where `fewest` is 1.
 */
export function walkOver(count: number, target: PlanTarget, fewest = 16): Walk {
  const isSoftware = target.deviceClass === 'software';
  const THREADS = isSoftware ? 8 : 64;
  const turns = isSoftware
    ? Math.min(1024, Math.max(fewest, Math.ceil(count / (THREADS * BUSY))))
    : Math.min(2, fewest);
  const share = THREADS * turns;
  return { workgroups: foldGrid(Math.ceil(count / share)), share, overrides: { THREADS } };
}

/**
 * The fields of shaders/common/sixAxes.wgsl for a walk over a grid of `extents` (at most six): the extents, padded at the front with 1, and the place of
 * the item that a thread comes to from the first one.
 */
export function axisFields(extents: readonly number[], { overrides }: Walk): Record<string, number> {
  const fields: Record<string, number> = {};
  let rest = overrides.THREADS;
  for (let axis = 5; axis > 0; axis--) {
    const extent = extents[extents.length - 6 + axis] ?? 1;
    fields[`extent${axis}`] = extent;
    fields[`step${axis}`] = rest % extent;
    rest = Math.floor(rest / extent);
  }
  return { ...fields, step0: rest };
}

/** The items of each workgroup of `walk` where they walk over `count` of them: whole turns of their threads. */
export function shareOf(count: number, { workgroups: [x, y, z], overrides: { THREADS } }: Omit<Walk, 'share'>): number {
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
  const { workgroups, share, overrides: walked } = walkOver(Math.ceil(size / 4), target);
  const uniforms = { size, share, ...settings.uniforms };
  const overrides = { ...walked, ...wholeGroups(size), ...settings.overrides };
  return { dispatches: [{ ...settings, kernel, buffers, workgroups, uniforms, overrides }] };
}
