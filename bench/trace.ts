/**
 * A benchmarked step in the Trace Event Format (JSON object form) that Perfetto and chrome://tracing open:
 * https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
 */
import type { StepProfile } from './step.ts';
import { workOf } from '../src/engine/ops/work.ts';
import { describeCall } from '../src/engine/tuning/stepRows.ts';
import type { HostTrack } from './timeline.ts';

/** A complete event ("X": begin and duration) or metadata ("M"), with times in microseconds. */
export type TraceEvent =
  | {
      readonly ph: 'X';
      readonly name: string;
      readonly cat: string;
      readonly pid: number;
      readonly tid: number;
      readonly ts: number;
      readonly dur: number;
      readonly args?: Readonly<Record<string, string | number>>;
    }
  | {
      readonly ph: 'M';
      readonly name: 'process_name' | 'thread_name' | 'thread_sort_index';
      readonly pid: number;
      readonly tid: number;
      readonly args: Readonly<Record<string, string | number>>;
    };

export interface TraceFile {
  readonly displayTimeUnit: 'ms';
  readonly traceEvents: readonly TraceEvent[];
  readonly otherData: Readonly<Record<string, string>>;
}

const CPU = 1;
const GPU = 2;
const TRACKS: Readonly<Record<HostTrack, { readonly tid: number; readonly name: string }>> = {
  phase: { tid: 1, name: 'phases' },
  host: { tid: 2, name: 'record, encode, submit' },
  wait: { tid: 3, name: 'wait' },
};

function nameOf(pid: number, tid: number, what: 'process_name' | 'thread_name', name: string): TraceEvent {
  return { ph: 'M', name: what, pid, tid, args: { name } };
}

/**
 * Host spans on three tracks, and one slice for each dispatch of the last profiled replay. The device's clock is shifted so that the first
 * dispatch starts when that replay was handed over.
 */
export function stepTrace(
  { spans, calls, dispatches, dispatchesFrom }: StepProfile,
  about: TraceFile['otherData'],
): TraceFile {
  const origin = Math.min(dispatchesFrom || Number.POSITIVE_INFINITY, ...spans.map(({ start }) => start));
  const at = (time: number): number => (time - origin) * 1000;
  const events: TraceEvent[] = [
    nameOf(CPU, 0, 'process_name', 'CPU (JavaScript)'),
    nameOf(GPU, 0, 'process_name', 'GPU'),
    ...Object.values(TRACKS).flatMap(({ tid, name }): TraceEvent[] => [
      nameOf(CPU, tid, 'thread_name', name),
      { ph: 'M', name: 'thread_sort_index', pid: CPU, tid, args: { sort_index: tid } },
    ]),
    nameOf(GPU, 1, 'thread_name', 'dispatches of one replay'),
  ];
  for (const { track, name, start, end } of spans) {
    const { tid } = TRACKS[track];
    events.push({ ph: 'X', name, cat: track, pid: CPU, tid, ts: at(start), dur: (end - start) * 1000 });
  }
  if (dispatches) {
    const first = dispatches.reduce((least, { start }) => Math.min(least, start), Number.POSITIVE_INFINITY);
    const owners = calls.flatMap((planned) => Array.from({ length: planned.dispatches }, () => planned));
    dispatches.forEach(({ label, start, nanoseconds }, index) => {
      const { call, version, dispatches: count } = owners[index];
      const { flops, bytes } = workOf(call.program, call.inputs, call.outputs, call.attributes);
      events.push({
        ...{ ph: 'X', name: call.program.name, cat: 'dispatch', pid: GPU, tid: 1 },
        ts: at(dispatchesFrom) + (start - first) / 1000,
        dur: nanoseconds / 1000,
        args: {
          ...{ kernel: label, call: describeCall(call), bytes },
          ...(version !== null && { version }),
          ...(flops !== null && { flops }),
          // `bytes` and `flops` are those of the whole call, all its dispatches together.
          ...(count > 1 && { dispatchesOfThisCall: count }),
        },
      });
    });
  }
  return { displayTimeUnit: 'ms', traceEvents: events, otherData: about };
}
