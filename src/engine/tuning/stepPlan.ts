/** The roofline of a training step from its plans alone: no device, no measurement. */
import type { PlanTarget } from '../gpu/kernel.ts';
import type { TensorSpec } from '../tensor/spec.ts';
import { byteLength } from '../tensor/spec.ts';
import { paddedFlops, serialLoads } from './planCost.ts';
import { workOf } from '../ops/work.ts';
import type { StepCall } from './stepCalls.ts';

/** What a device can do at best, as its maker states it. */
export interface DeviceSpec {
  readonly name: string;
  /** Operations per second in float32 outside matrix units; a multiply-add counts two. */
  readonly flopsPerSecond: number;
  readonly bytesPerSecond: number;
  /** Least time from one dispatch to the next. */
  readonly secondsPerDispatch: number;
  /** Lanes of a subgroup where it is one number, else 0. */
  readonly subgroupSize: number;
  /** Where the figures come from. */
  readonly source: string;
}

/** The plans of one program in a step. */
export interface PlanRow {
  readonly program: string;
  /** Executions in a step. */
  readonly count: number;
  readonly dispatches: number;
  readonly flops: number;
  /** Bytes that the program must move at least: every input read and every output written once, unless it states otherwise. */
  readonly bytes: number;
  /** Operations of its tiles, those past the ends included; null without tiles. */
  readonly paddedFlops: number | null;
  /** The longest chain of loads that wait for one another in one thread of its dispatches. */
  readonly serialLoads: number;
  /** max(flops / peak, bytes / bandwidth) of each execution, added up. */
  readonly boundMs: number;
  /** The same, where each execution takes no less than its dispatches need to start. */
  readonly floorMs: number;
}

export interface StepPlan {
  /** The slowest at best first. */
  readonly rows: readonly PlanRow[];
  readonly total: Omit<PlanRow, 'program'> & {
    /** Operations of the products that have tiles, without what lies past the ends. */
    readonly tiledFlops: number;
  };
  readonly largestBufferBytes: number;
  /** Dispatches of each kernel, the most frequent first. */
  readonly kernels: readonly (readonly [string, number])[];
}

type Sum = { -readonly [Key in keyof PlanRow]: PlanRow[Key] };

const emptySum = (program: string): Sum => ({
  ...{
    program,
    count: 0,
    dispatches: 0,
    flops: 0,
    bytes: 0,
    paddedFlops: null,
    serialLoads: 0,
    boundMs: 0,
    floorMs: 0,
  },
});

function addTo(sum: Sum, part: PlanRow): void {
  sum.count += part.count;
  sum.dispatches += part.dispatches;
  sum.flops += part.flops;
  sum.bytes += part.bytes;
  if (part.paddedFlops !== null) sum.paddedFlops = (sum.paddedFlops ?? 0) + part.paddedFlops;
  sum.serialLoads = Math.max(sum.serialLoads, part.serialLoads);
  sum.boundMs += part.boundMs;
  sum.floorMs += part.floorMs;
}

/**
 * Plans the calls of a step on `target` and holds them against what a device can do (the roofline model: Williams, Waterman and Patterson,
 * CACM 2009). Arithmetic: no kernel reaches these bounds, and nothing here was measured.
 */
export function planStep(calls: readonly StepCall[], target: PlanTarget, device: DeviceSpec): StepPlan {
  const programs = new Map<string, Sum>();
  const kernels = new Map<string, number>();
  const total = emptySum('');
  let tiledFlops = 0;
  let largestBufferBytes = 0;
  const seeBuffer = (bytes: number): void => {
    largestBufferBytes = Math.max(largestBufferBytes, bytes);
  };
  for (const { program, inputs, outputs, attributes, version } of calls) {
    const plan = program.plan(inputs, outputs, attributes, target, version);
    if (!plan) throw new Error(`${program.name}: no plan for a call of the step`);
    if (plan.dispatches.length === 0) continue;
    const work = workOf(program, inputs, outputs, attributes);
    const flops = work.flops ?? 0;
    const padded = plan.dispatches.flatMap((dispatch) => paddedFlops(dispatch) ?? []);
    if (padded.length > 0) tiledFlops += flops;
    for (const { kernel } of plan.dispatches) kernels.set(kernel.name, (kernels.get(kernel.name) ?? 0) + 1);
    for (const spec of [...inputs, ...outputs] satisfies readonly TensorSpec[]) seeBuffer(byteLength(spec));
    for (const bytes of plan.scratch ?? []) seeBuffer(bytes);
    const bound = Math.max(flops / device.flopsPerSecond, work.bytes / device.bytesPerSecond);
    const row: PlanRow = {
      program: program.name,
      count: 1,
      dispatches: plan.dispatches.length,
      flops,
      bytes: work.bytes,
      paddedFlops: padded.length > 0 ? padded.reduce((sum, each) => sum + each, 0) : null,
      serialLoads: Math.max(...plan.dispatches.map(serialLoads)),
      boundMs: bound * 1000,
      floorMs: Math.max(bound, plan.dispatches.length * device.secondsPerDispatch) * 1000,
    };
    const sum = programs.get(program.name) ?? emptySum(program.name);
    programs.set(program.name, sum);
    addTo(sum, row);
    addTo(total, row);
  }
  return {
    rows: [...programs.values()].sort((a, b) => b.floorMs - a.floorMs),
    total: { ...total, tiledFlops },
    largestBufferBytes,
    kernels: [...kernels].sort(([, a], [, b]) => b - a),
  };
}
