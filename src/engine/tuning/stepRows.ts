/** Where a step's time goes: the times of its dispatches, summed by program and version and compared with the adapter's ceilings. */
import type { DispatchTime } from '../gpu/timestamps.ts';
import { workOf } from '../ops/work.ts';
import type { Ceilings } from './ceilings.ts';
import { ratesOf } from './rates.ts';
import type { PlannedCall, StepCall } from './stepCalls.ts';
import { median } from './timer.ts';

export interface StepRow {
  readonly program: string;
  readonly version: string | null;
  /** Shapes and attributes of the call where each distinct call has its row, else null. */
  readonly call: string | null;
  /** Executions in a step. */
  readonly count: number;
  readonly dispatches: number;
  readonly milliseconds: number;
  /** Share of the time of all dispatches. */
  readonly share: number;
  /** Null where the program states no operations. */
  readonly gigaflopsPerSecond: number | null;
  readonly gigabytesPerSecond: number;
  /** What limits most of the time: see `Rates`. */
  readonly bound: 'memory' | 'math' | 'launch';
  /** Time the calls would take at the ceilings that bind them, as a share of the time they took. */
  readonly ofCeiling: number;
}

/** Shapes as `512x96 384x96`, and the attributes that are set. */
export function describeCall({ inputs, attributes }: StepCall): string {
  const shapes = inputs.map(({ shape }) => shape.join('x') || '1').join(' ');
  const settings = Object.entries(attributes)
    .filter(([, value]) => value !== false && value !== undefined && value !== null)
    .map(([name, value]) => (value === true ? name : `${name}=${JSON.stringify(value)}`));
  return [shapes, ...settings].join(' ');
}

/**
 * Milliseconds of each call: the median over the profiles of the sum over its dispatches.
 * @throws Error when a profile does not hold the calls' dispatches.
 */
export function callTimes(calls: readonly PlannedCall[], profiles: readonly (readonly DispatchTime[])[]): number[] {
  const expected = calls.reduce((sum, { dispatches }) => sum + dispatches, 0);
  const sums = profiles.map((times) => {
    if (times.length !== expected) {
      throw new Error(`the step's programs made ${expected} dispatches, but ${times.length} were timed`);
    }
    let at = 0;
    return calls.map(({ dispatches }) => {
      let sum = 0;
      for (const end = at + dispatches; at < end; at++) sum += times[at].nanoseconds;
      return sum / 1e6;
    });
  });
  return calls.map((_, index) => median(sums.map((each) => each[index])));
}

interface Group {
  readonly first: StepCall;
  readonly version: string | null;
  count: number;
  dispatches: number;
  milliseconds: number;
  flops: number | null;
  bytes: number;
  least: number;
  readonly bounds: Record<StepRow['bound'], number>;
}

/** One row per program and version (with `byCall`: per distinct call), the longest first. */
export function stepRows(
  calls: readonly PlannedCall[],
  times: readonly number[],
  ceilings: Ceilings,
  { byCall = false }: { readonly byCall?: boolean } = {},
): StepRow[] {
  const total = times.reduce((sum, time) => sum + time, 0);
  const groups = new Map<string, Group>();
  for (const [index, { call, dispatches, version }] of calls.entries()) {
    if (dispatches === 0) continue;
    const milliseconds = times[index];
    const key = `${version} ${byCall ? call.key : call.program.name}`;
    let group = groups.get(key);
    if (!group) {
      group = {
        ...{ first: call, version, count: 0, dispatches: 0, milliseconds: 0, flops: 0, bytes: 0, least: 0 },
        bounds: { memory: 0, math: 0, launch: 0 },
      };
      groups.set(key, group);
    }
    const work = workOf(call.program, call.inputs, call.outputs, call.attributes);
    // A coarse clock may measure 0 for a dispatch.
    const { share, bound } = ratesOf(work, Math.max(milliseconds, 1e-6), dispatches, ceilings);
    group.count++;
    group.dispatches += dispatches;
    group.milliseconds += milliseconds;
    group.flops = group.flops === null || work.flops === null ? null : group.flops + work.flops;
    group.bytes += work.bytes;
    group.least += share * Math.max(milliseconds, 1e-6);
    group.bounds[bound] += milliseconds;
  }
  return [...groups.values()]
    .map(({ first, version, count, dispatches, milliseconds, flops, bytes, least, bounds }): StepRow => {
      const seconds = Math.max(milliseconds, 1e-6) / 1000;
      const bound = (['memory', 'math', 'launch'] as const).reduce((a, b) => (bounds[b] > bounds[a] ? b : a));
      return {
        ...{ program: first.program.name, version, call: byCall ? describeCall(first) : null, count, dispatches },
        ...{ milliseconds, share: milliseconds / total },
        gigaflopsPerSecond: flops === null ? null : flops / seconds / 1e9,
        gigabytesPerSecond: bytes / seconds / 1e9,
        bound,
        ofCeiling: least / (seconds * 1000),
      };
    })
    .sort((a, b) => b.milliseconds - a.milliseconds);
}
