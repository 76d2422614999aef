/** Times work on a device. */
import type { GpuDevice } from '../gpu/device.ts';

/** How kernels are timed on a device. */
export interface Timer {
  readonly kind: 'timestamps' | 'wall clock';
  /** Why this kind, in a sentence. */
  readonly reason: string;
  /**
   * Runs `record` (which records `dispatches` dispatches) `runs` times; milliseconds of one run, in one or more samples.
   * Throws what the device reported.
   */
  sample(record: () => void, dispatches: number, runs: number): Promise<number[]>;
}

export interface MeasureOptions {
  /** Time to spend on the samples; one slow run may take longer. */
  readonly seconds: number;
  /** Most runs. Default 50. */
  readonly maxRuns?: number;
}

export interface Measurement {
  /** Milliseconds of one run. */
  readonly samples: readonly number[];
  readonly median: number;
  /** Milliseconds of the first run by the wall clock: compilation, first touch of the memory, and the run. */
  readonly firstRun: number;
}

/** Middle of the sorted numbers; the mean of the two middle ones for an even count. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error('the median of no numbers');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Sums consecutive times, `size` of them per run. */
export function sumRuns(times: readonly number[], size: number): number[] {
  if (size < 1 || times.length % size !== 0) {
    throw new Error(`${times.length} dispatch times are not a whole number of runs of ${size} dispatches`);
  }
  return Array.from({ length: times.length / size }, (_, run) =>
    times.slice(run * size, (run + 1) * size).reduce((total, time) => total + time, 0),
  );
}

function timestampTimer(device: GpuDevice, reason: string): Timer {
  return {
    kind: 'timestamps',
    reason,
    async sample(record, dispatches, runs) {
      device.startProfile();
      for (let run = 0; run < runs; run++) record();
      const times = await device.stopProfile();
      await device.synchronize();
      return sumRuns(
        times.map(({ nanoseconds }) => nanoseconds / 1e6),
        dispatches,
      );
    },
  };
}

/** Batches of runs between two waits, so that the waits' own cost is shared by a batch. */
const BATCHES = 5;

function wallClockTimer(device: GpuDevice, reason: string): Timer {
  return {
    kind: 'wall clock',
    reason,
    async sample(record, _dispatches, runs) {
      const samples: number[] = [];
      const batch = Math.max(1, Math.ceil(runs / BATCHES));
      for (let done = 0; done < runs; done += batch) {
        const count = Math.min(batch, runs - done);
        await device.synchronize();
        const start = performance.now();
        for (let run = 0; run < count; run++) record();
        await device.synchronize();
        samples.push((performance.now() - start) / count);
      }
      return samples;
    },
  };
}

/**
 * Timestamp queries where the adapter has them and they are credible, else the wall clock.
 *
 * @param probe records one dispatch that takes some milliseconds at least; it is run to compare both ways
 */
export async function chooseTimer(device: GpuDevice, probe: () => void): Promise<Timer> {
  if (!device.target.features.has('timestamp-query')) {
    return wallClockTimer(device, 'the adapter has no timestamp queries');
  }
  const timestamps = timestampTimer(device, 'timestamp queries around each dispatch');
  probe();
  // The best of several: on a busy machine single samples differ by more than the bounds below.
  const wall = Math.min(...(await wallClockTimer(device, '').sample(probe, 1, 5)));
  const stamps = await timestamps.sample(probe, 1, 5);
  // Browsers round timestamps to 0.1 ms, against spying: most kernels take less.
  if (stamps.every((stamp) => Math.abs(stamp * 10 - Math.round(stamp * 10)) < 1e-6)) {
    return wallClockTimer(device, 'the timestamps are rounded to 0.1 ms, as browsers do');
  }
  const stamped = Math.min(...stamps);
  // Both timed the same dispatch; some drivers write zeros, or count in another unit than they state.
  if (stamped > wall / 10 && stamped < wall * 2) return timestamps;
  return wallClockTimer(
    device,
    `the adapter's timestamps are not credible: ${stamped.toFixed(3)} ms where the clock says ${wall.toFixed(3)} ms`,
  );
}

/** Compiles and warms up with one run, then samples for as long as the time allows: at least three runs, unless one takes all of it. */
export async function measure(
  device: GpuDevice,
  timer: Timer,
  record: () => void,
  dispatches: number,
  { seconds, maxRuns = 50 }: MeasureOptions,
): Promise<Measurement> {
  const start = performance.now();
  record();
  await device.synchronize();
  const firstRun = performance.now() - start;
  const budget = seconds * 1000;
  const samples = await timer.sample(record, dispatches, 1);
  const left = budget - samples[0];
  if (left > 0) {
    const runs = Math.max(2, Math.min(maxRuns - 1, Math.floor(left / Math.max(samples[0], 1e-3))));
    samples.push(...(await timer.sample(record, dispatches, runs)));
    // The first sample only shows how long a run takes: by the wall clock it includes the cost of waiting.
    samples.shift();
  }
  return { samples, median: median(samples), firstRun };
}
