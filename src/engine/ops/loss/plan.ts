/** What the plans of losses share: reductions, the second pass, and how elements are dealt out to threads. */
import {
  type BufferReference,
  type Dispatch,
  foldGrid,
  gridFor,
  type Plan,
  type PlanTarget,
} from '../../gpu/kernel.ts';
import { kernel } from '../../gpu/shaderKernel.ts';

/** How a loss over many rows or elements becomes the result: their mean, their sum, or with 'none' each row's or element's own. */
export type Reduction = 'none' | 'sum' | 'mean';

/** As shaders/common/lossMean.wgsl numbers them. */
export const REDUCTION_CODES: Readonly<Record<Reduction, number>> = { none: 0, sum: 1, mean: 2 };

/** Adds up the workgroups' partial (loss, weight) where there are several. */
export const finishKernel = kernel('loss/finish');

/** A first pass of `workgroups` workgroups into out0 (loss) and out1 (factor), and the second pass where it takes one. */
export function planLoss(
  first: Omit<Dispatch, 'workgroups'>,
  workgroups: number,
  reduction: Reduction,
): Plan & { readonly dispatches: readonly Dispatch[] } {
  const dispatches: Dispatch[] = [
    {
      ...first,
      buffers: { ...first.buffers, partials: 'tmp0', loss: 'out0', factor: 'out1' },
      workgroups: foldGrid(workgroups),
    },
  ];
  if (workgroups > 1 && reduction !== 'none') {
    dispatches.push({
      kernel: finishKernel,
      buffers: { partials: 'tmp0', loss: 'out0', factor: 'out1' },
      uniforms: { count: workgroups, reduction: REDUCTION_CODES[reduction] },
      workgroups: [1, 1, 1],
    });
  }
  return { dispatches, scratch: [workgroups * 8] };
}

/** Adds up each sample's partial (loss, weight). */
export const finishSamplesKernel = kernel('loss/finishSamples');

/**
 * As `planLoss`, to one mean per sample: loss [samples], and the factor that all of them share. `groups` workgroups work on a sample; a
 * single workgroup in all must finish by itself, as the mean.
 */
export function planSampleLosses(
  first: Omit<Dispatch, 'workgroups'>,
  samples: number,
  groups: number,
): Plan & { readonly dispatches: readonly Dispatch[] } {
  const { dispatches, scratch } = planLoss(first, samples * groups, 'none');
  if (samples * groups === 1) return { dispatches, scratch };
  const finish: Dispatch = {
    kernel: finishSamplesKernel,
    buffers: { partials: 'tmp0', loss: 'out0', factor: 'out1' },
    uniforms: { samples, groups },
    workgroups: gridFor(samples, 64),
  };
  return { dispatches: [...dispatches, finish], scratch };
}

/** Workgroups of 64 threads for a loss whose threads own whole rows: at most 64 rows are done in one dispatch. */
export function rowLossWorkgroups(rows: number, target: PlanTarget): number {
  return Math.min(Math.ceil(rows / 64), target.deviceClass === 'software' ? 8 : 512);
}

/** How the elements of [samples, perSample], channels innermost, are dealt out to threads of one sample each. */
export interface SampleGrid {
  /** Whether a thread owns groups of four elements; `perSample` and `threads` then count groups. */
  readonly vector: boolean;
  readonly perSample: number;
  /** Threads of a sample: a multiple of the channels, so that a thread meets the same channels in every turn. */
  readonly threads: number;
  /** Workgroups of a sample. */
  readonly groups: number;
  /** Workgroups in all, not yet folded. */
  readonly workgroups: number;
}

/**
 * A grid of about `threads` threads in all. `vector` asks for groups of four; null where a sample's elements do not come in fours.
 */
export function sampleGrid(
  samples: number,
  perSample: number,
  channels: number,
  threads: number,
  vector: boolean,
): SampleGrid | null {
  if (vector && perSample % 4 !== 0) return null;
  const items = vector ? perSample / 4 : perSample;
  const wanted = Math.min(items, Math.max(64, Math.ceil(threads / samples)));
  const own = Math.ceil(wanted / channels) * channels;
  const groups = Math.ceil(own / 64);
  return { vector, perSample: items, threads: own, groups, workgroups: samples * groups };
}

/** The grid of a version: 'scalar', 'vec4', or where left out vec4 if it fits. */
export function versionedGrid(
  samples: number,
  perSample: number,
  channels: number,
  threads: number,
  version: string | undefined,
): SampleGrid | null {
  if (version === 'scalar') return sampleGrid(samples, perSample, channels, threads, false);
  const vector = sampleGrid(samples, perSample, channels, threads, true);
  return vector ?? (version === undefined ? sampleGrid(samples, perSample, channels, threads, false) : null);
}

/** The buffer of an optional input, or any other readable one of the same element type to stand in for it. */
export function optional(present: boolean, buffer: BufferReference, standIn: BufferReference): BufferReference {
  return present ? buffer : standIn;
}
