/** Times a workload's steps as training runs them, and what replaying one costs the host. */
import type { Capture } from '../src/engine/gpu/capture.ts';
import type { GpuDevice } from '../src/engine/gpu/device.ts';
import type { StepWorkload } from './stepWorkload.ts';
import type { Timeline } from './timeline.ts';

/** Milliseconds for timing replays and bare loops in turn; their number also has bounds. */
const LOOP_BUDGET = 10_000;
const FEWEST_LOOPS = 1;
const MOST_LOOPS = 30;

interface Timed {
  readonly samples: readonly number[];
  readonly handOver: readonly number[];
  readonly dataWait: readonly number[];
  readonly submits: number;
}

interface Running {
  readonly result: Promise<void>;
  /** When the result arrived; infinite until then. */
  end: number;
}

/** Times steps as training runs them: the next is handed over before the result of the last is awaited. */
export async function timeSteps(
  device: GpuDevice,
  workload: StepWorkload,
  count: number,
  timeline: Timeline,
): Promise<Timed> {
  const handOver: number[] = [];
  const dataWait: number[] = [];
  const done: Running[] = [];
  const finish = async (running: Running): Promise<void> => {
    await timeline.time('wait', 'result', () => running.result);
    done.push(running);
  };
  await device.synchronize();
  const submits = device.counts.submits;
  let pending: Running | null = null;
  // One step more than is counted, because the first starts on an idle device.
  for (let index = 0; index <= count; index++) {
    if (workload.nextData) {
      const asked = performance.now();
      await timeline.time('wait', 'data', workload.nextData);
      // Waiting costs nothing while the device still works on the previous step.
      if (pending) dataWait.push(Math.max(0, performance.now() - Math.max(asked, pending.end)));
    }
    const start = performance.now();
    const running: Running = { result: workload.run(1 + index), end: Number.POSITIVE_INFINITY };
    handOver.push(timeline.add('host', 'write, encode, submit', start));
    running.result.then(
      () => {
        running.end = performance.now();
      },
      () => undefined,
    );
    if (pending) await finish(pending);
    pending = running;
  }
  if (pending) await finish(pending);
  return {
    samples: done.slice(1).map(({ end }, index) => end - done[index].end),
    handOver: handOver.slice(1),
    dataWait,
    submits: (device.counts.submits - submits) / (count + 1),
  };
}

/** Encodes and submits the dispatches of a captured step with the plainest code, to compare a replay with. */
function bareLoop(device: GPUDevice, { commands }: Capture, timeline: Timeline): void {
  const start = performance.now();
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  for (const { pipeline, bindGroup, workgroups } of commands) {
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindGroup);
    pass.dispatchWorkgroups(workgroups[0], workgroups[1], workgroups[2]);
  }
  pass.end();
  const commandBuffer = encoder.finish();
  const encoded = performance.now();
  device.queue.submit([commandBuffer]);
  timeline.add('host', 'encode (bare loop)', start, encoded);
  timeline.add('host', 'submit (bare loop)', encoded);
}

/** Milliseconds that `body` keeps JavaScript busy, started on an idle device. */
async function hostTime(device: GpuDevice, body: () => void): Promise<number> {
  await device.synchronize();
  const start = performance.now();
  body();
  return performance.now() - start;
}

/** Replays a captured step and runs its bare loop in turn, on an idle device: milliseconds of JavaScript of each. */
export async function timeReplays(
  device: GpuDevice,
  captured: Capture,
  stepMs: number,
  timeline: Timeline,
): Promise<{ readonly replays: readonly number[]; readonly bare: readonly number[] }> {
  const replays: number[] = [];
  const bare: number[] = [];
  const loops: [number[], () => void][] = [
    [replays, () => captured.replay()],
    [bare, () => bareLoop(device.device, captured, timeline)],
  ];
  const rounds = Math.min(MOST_LOOPS, Math.max(FEWEST_LOOPS, Math.round(LOOP_BUDGET / 2 / stepMs)));
  for (let loop = 0; loop < rounds; loop++) {
    // The second finds warmer caches, so the two alternate.
    for (const [times, body] of loop % 2 === 0 ? loops : [...loops].reverse()) {
      times.push(await hostTime(device, body));
    }
  }
  return { replays, bare };
}
