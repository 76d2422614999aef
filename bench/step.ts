/** Measures whole training steps on one adapter: throughput, where the time goes, what a replay costs the host, memory. */
import { GmtlError } from '../src/engine/errors.ts';
import type { Capture } from '../src/engine/gpu/capture.ts';
import type { CaptureMemory } from '../src/engine/gpu/captureBuilder.ts';
import type { DispatchTime } from '../src/engine/gpu/timestamps.ts';
import { type Ceilings, measureCeilings, withCopyProbe } from '../src/engine/tuning/ceilings.ts';
import {
  type PlannedCall,
  planCalls,
  type CallTrackingBackend,
  type StepCall,
} from '../src/engine/tuning/stepCalls.ts';
import { callTimes, type StepRow, stepRows } from '../src/engine/tuning/stepRows.ts';
import type { BuildWorkload, StepWorkload } from './stepWorkload.ts';
import { Timeline } from './timeline.ts';
import { timeReplays, timeSteps } from './timeSteps.ts';
import { chooseTimer, median, type Timer } from '../src/engine/tuning/timer.ts';

export interface StepBenchOptions {
  /** Steps that are timed after the first ones. Default 10. */
  readonly steps?: number;
  /** Time for each of the settings that the ceilings are measured with. Default 0.25. */
  readonly seconds?: number;
  /** Called before each phase. */
  readonly onProgress?: (label: string) => void;
}

/** Milliseconds from nothing to the result of the first step. */
export interface FirstStep {
  /** Drawing and writing weights, making optimizer state. */
  readonly build: number;
  /** JavaScript of the step: shapes, plans, graph. */
  readonly record: number;
  /** Waiting for pipelines after that; they compile in parallel. */
  readonly compile: number;
  /** Planning memory, making buffers and bind groups. */
  readonly prepare: number;
  /** Running it, in which drivers may compile further, and reading its result. */
  readonly run: number;
  readonly total: number;
  /** Pipelines that the step needed. */
  readonly pipelines: number;
}

export interface StepBench {
  readonly workload: Pick<StepWorkload, 'name' | 'batch' | 'size' | 'parameters' | 'data'>;
  readonly timer: Pick<Timer, 'kind' | 'reason'>;
  readonly ceilings: Ceilings;
  readonly firstStep: FirstStep;
  /** Milliseconds of each timed step, from the end of the previous step to its own end. */
  readonly samples: readonly number[];
  readonly stepMs: number;
  readonly imagesPerSecond: number;
  readonly cpu: {
    /**
     * JavaScript of a replay, encoding and submitting, without waiting: milliseconds, the best of several. On a software adapter the device's
     * threads compete for the core, so that a mean would measure the scheduler.
     */
    readonly replayMs: number;
    /** The same dispatches in a bare loop of setPipeline, setBindGroup and dispatchWorkgroups, and a submit. */
    readonly bareMs: number;
    readonly ratio: number;
    /** Everything the host does for a step before it waits: writes, replay, requesting the result. */
    readonly handOverMs: number;
  };
  /** Null where the adapter has no credible timestamps. */
  readonly gpu: {
    /** Sum over the dispatches. */
    readonly busyMs: number;
    /** From the first dispatch's start to the last one's end, as dispatches are profiled. */
    readonly spanMs: number;
  } | null;
  /** Milliseconds per step in which nothing ran because the next batch was not ready. */
  readonly dataWaitMs: number;
  readonly dispatches: number;
  readonly submits: number;
  readonly memory: CaptureMemory & {
    /** Bytes of weights, optimizer state and inputs, which exist before the step. */
    readonly lastingBytes: number;
  };
  /** By program and version; empty without timestamps. */
  readonly rows: readonly StepRow[];
  /** By distinct call. */
  readonly calls: readonly StepRow[];
}

/** What a trace shows besides the figures. */
export interface StepProfile {
  readonly spans: Timeline['spans'];
  readonly calls: readonly PlannedCall[];
  /** Of one replay, in the order of the dispatches; null without timestamps. */
  readonly dispatches: readonly DispatchTime[] | null;
  /** `performance.now()` when that replay was handed over. */
  readonly dispatchesFrom: number;
}

/** Number of profiles taken; each call counts with its median. */
const PROFILES = 3;
/** Steps of more than this many milliseconds are profiled once. */
const SLOW_STEP = 2000;

/** Runs the step for the first time, which captures it. */
async function firstStep(
  backend: CallTrackingBackend,
  workload: StepWorkload,
  timeline: Timeline,
): Promise<{ first: Omit<FirstStep, 'build' | 'total'>; calls: StepCall[]; captured: Capture }> {
  const { pipelines } = backend.gpu.counts;
  backend.startCalls();
  const start = performance.now();
  await timeline.time('phase', 'first step', () => workload.run(0));
  const calls = backend.stopCalls();
  const { captured } = workload;
  if (!captured) throw new GmtlError('bench/capture', `${workload.name}: the first step was not recorded`);
  let at = start;
  for (const part of ['record', 'compile', 'prepare'] as const) {
    timeline.add('host', part, at, at + captured.timing[part]);
    at += captured.timing[part];
  }
  const run = timeline.add('wait', 'first run', at);
  return { first: { ...captured.timing, run, pipelines: backend.gpu.counts.pipelines - pipelines }, calls, captured };
}

/**
 * Builds a workload, measures it and disposes of it.
 *
 * @throws GmtlError `bench/capture` where the step cannot be captured; what building or running it throws.
 */
export async function benchStep(
  backend: CallTrackingBackend,
  build: BuildWorkload,
  { steps = 10, seconds = 0.25, onProgress }: StepBenchOptions = {},
): Promise<{ bench: StepBench; profile: StepProfile }> {
  const device = backend.gpu;
  const timeline = new Timeline();
  onProgress?.('building and running the first steps');
  const buildStart = performance.now();
  const workload = await build(backend);
  await device.synchronize();
  const buildMs = timeline.add('phase', 'build', buildStart);
  try {
    const lastingBytes = device.statistics().liveBytes;
    const { first, calls: executed, captured } = await firstStep(backend, workload, timeline);
    const total = performance.now() - buildStart;
    const calls = planCalls(executed, device.target);

    onProgress?.(`timing ${steps} steps`);
    const timed = await timeline.time('phase', 'timed steps', () => timeSteps(device, workload, steps, timeline));
    const stepMs = median(timed.samples);

    onProgress?.('timing replays against a bare loop');
    const loopStart = performance.now();
    const { replays, bare } = await timeReplays(device, captured, stepMs, timeline);
    await device.synchronize();
    timeline.add('phase', 'replays and bare loops', loopStart);

    onProgress?.('timing each dispatch');
    const ceilingStart = performance.now();
    const timer = await withCopyProbe(device, (probe) => chooseTimer(device, probe));
    const ceilings = await measureCeilings(device, timer, seconds);
    timeline.add('phase', 'ceilings of the adapter', ceilingStart);
    const profiles: DispatchTime[][] = [];
    let dispatchesFrom = 0;
    if (timer.kind === 'timestamps') {
      for (let index = 0; index < (stepMs > SLOW_STEP ? 1 : PROFILES); index++) {
        await device.synchronize();
        dispatchesFrom = performance.now();
        profiles.push([...(await timeline.time('phase', 'profiled replay', () => captured.profile()))]);
      }
    }
    const times = profiles.length > 0 ? callTimes(calls, profiles) : null;
    const last = profiles.at(-1) ?? null;
    const bench: StepBench = {
      workload: {
        name: workload.name,
        batch: workload.batch,
        size: workload.size,
        parameters: workload.parameters,
        data: workload.data,
      },
      timer: { kind: timer.kind, reason: timer.reason },
      ceilings,
      firstStep: { build: buildMs, ...first, total },
      samples: timed.samples,
      stepMs,
      imagesPerSecond: (1000 * workload.batch) / stepMs,
      cpu: {
        replayMs: Math.min(...replays),
        bareMs: Math.min(...bare),
        ratio: Math.min(...replays) / Math.min(...bare),
        handOverMs: median(timed.handOver),
      },
      gpu: times && { busyMs: times.reduce((sum, time) => sum + time, 0), spanMs: median(profiles.map(spanOf)) },
      dataWaitMs: timed.dataWait.reduce((sum, wait) => sum + wait, 0) / Math.max(1, timed.dataWait.length),
      dispatches: captured.dispatches,
      submits: timed.submits,
      memory: { lastingBytes, ...captured.memory },
      rows: times ? stepRows(calls, times, ceilings) : [],
      calls: times ? stepRows(calls, times, ceilings, { byCall: true }) : [],
    };
    return { bench, profile: { spans: timeline.spans, calls, dispatches: last, dispatchesFrom } };
  } finally {
    workload.dispose();
    device.trim();
  }
}

/** Milliseconds from the start of the earliest dispatch to the end of the latest. */
function spanOf(times: readonly DispatchTime[]): number {
  let first = Number.POSITIVE_INFINITY;
  let last = Number.NEGATIVE_INFINITY;
  for (const { start, nanoseconds } of times) {
    first = Math.min(first, start);
    last = Math.max(last, start + nanoseconds);
  }
  return (last - first) / 1e6;
}
