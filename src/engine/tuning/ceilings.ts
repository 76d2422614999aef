/** What the adapter can do at best: copy bandwidth, multiply-add rate and launch time, measured in the same run as the kernels. */
import type { GpuDevice } from '../gpu/device.ts';
import { type Dispatch, gridFor, type KernelDefinition } from '../gpu/kernel.ts';
import { kernel } from '../gpu/shaderKernel.ts';
import { shareOf } from '../ops/elementwise.ts';
import { type Measurement, measure, type Timer } from './timer.ts';

const copyKernel = kernel('bench/copy');

const fmaKernel = kernel('bench/fma');

/** The kernels of the benchmark itself: they belong to no op. */
export const ceilingKernels: readonly KernelDefinition[] = [copyKernel, fmaKernel];

export interface Ceilings {
  /** Bytes read and written per second by the best plain copy. */
  readonly bytesPerSecond: number;
  /** Floating-point operations per second (a multiply-add counts two) in registers. */
  readonly flopsPerSecond: number;
  /** Time of a dispatch that does next to nothing. */
  readonly secondsPerDispatch: number;
}

/** A ceiling is what the adapter can do undisturbed: the best sample. */
function bestSeconds({ samples }: Measurement): number {
  return Math.min(...samples) / 1000;
}

const MEBIBYTE = 2 ** 20;
const WORKGROUP = 64;
/** Multiply-adds of one thread in one turn of the loop: eight chains, 16 each. */
const PER_TURN = 8 * 16;

/** Larger than caches, as long as one buffer may be that large. */
function copyBytes(device: GpuDevice): number {
  const { deviceClass, limits } = device.target;
  const wanted = deviceClass === 'software' ? 64 * MEBIBYTE : 256 * MEBIBYTE;
  return Math.min(wanted, limits.maxStorageBufferBindingSize, limits.maxBufferSize);
}

/** Calls `body` with buffers of these sizes, filled with random numbers, and gives them back afterwards. */
async function withBuffers<T>(
  device: GpuDevice,
  bytes: readonly number[],
  body: (record: (dispatch: Dispatch) => () => void) => Promise<T>,
): Promise<T> {
  const pool = device.bufferSource;
  const pooled = bytes.map((size) => device.acquire(size, 'bench'));
  // Numbers of a small exponent range: writing them allocates the pages, and none is denormal.
  const block = Float32Array.from({ length: MEBIBYTE / 4 }, (_, i) => 1 + ((i * 2654435761) % 1024) / 1024);
  for (const [index, buffer] of pooled.entries()) {
    const whole = new Float32Array(bytes[index] / 4);
    for (let at = 0; at < whole.length; at += block.length) whole.set(block.subarray(0, whole.length - at), at);
    device.write(buffer, whole);
  }
  const bound = pooled.map((buffer, index) => ({ pooled: buffer, bytes: bytes[index] }));
  try {
    return await body((dispatch) => {
      const prepared = device.prepare(dispatch, dispatch.kernel.name);
      return () => device.dispatch(prepared, bound);
    });
  } finally {
    for (const buffer of pooled) pool.release(buffer);
    device.trim();
  }
}

/** A copy by so many threads in workgroups of so many. */
function copyDispatch(bytes: number, threads: number, THREADS = WORKGROUP): Dispatch {
  const groups = bytes / 16;
  const walk = { workgroups: gridFor(Math.min(threads, groups), THREADS), overrides: { THREADS } };
  const uniforms = { groups, share: shareOf(groups, walk) };
  return { ...walk, kernel: copyKernel, buffers: { source: 'in0', out: 'out0' }, uniforms };
}

/** Runs `body` with a function that records one copy of many milliseconds on a software adapter, about one on a GPU. */
export async function withCopyProbe<T>(device: GpuDevice, body: (probe: () => void) => Promise<T>): Promise<T> {
  const bytes = copyBytes(device);
  return withBuffers(device, [bytes, bytes], (record) => body(record(copyDispatch(bytes, bytes / 16))));
}

/** The best copy rate over several thread counts and widths of workgroups. */
async function copyRate(device: GpuDevice, timer: Timer, seconds: number): Promise<number> {
  const bytes = copyBytes(device);
  return withBuffers(device, [bytes, bytes], async (record) => {
    let best = 0;
    for (const [threads, width] of [
      [4096, 8],
      ...[4096, 65_536, 524_288, bytes / 16].map((each) => [each, WORKGROUP]),
    ]) {
      const measured = await measure(device, timer, record(copyDispatch(bytes, threads, width)), 1, { seconds });
      best = Math.max(best, (2 * bytes) / bestSeconds(measured));
    }
    return best;
  });
}

/** The better rate of the builtin `fma` and of a product and a sum; the loop is made long enough to be measured well. */
async function fmaRate(device: GpuDevice, timer: Timer, seconds: number): Promise<number> {
  const workgroups = device.target.deviceClass === 'software' ? 64 : 16_384;
  const threads = workgroups * WORKGROUP;
  return withBuffers(device, [threads * 16], async (record) => {
    let best = 0;
    for (const useFma of [1, 0]) {
      let turns = 16;
      for (;;) {
        const dispatch: Dispatch = {
          kernel: fmaKernel,
          buffers: { out: 'out0' },
          uniforms: { turns, a: 0.999, b: 0.001 },
          overrides: { USE_FMA: useFma },
          workgroups: [workgroups, 1, 1],
        };
        const measured = await measure(device, timer, record(dispatch), 1, { seconds, maxRuns: 10 });
        const { median } = measured;
        if (median < 3 && turns < 2 ** 20) {
          turns *= median < 0.3 ? 16 : 4;
          continue;
        }
        best = Math.max(best, (threads * turns * PER_TURN * 2) / bestSeconds(measured));
        break;
      }
    }
    return best;
  });
}

async function launchTime(device: GpuDevice, timer: Timer, seconds: number): Promise<number> {
  return withBuffers(device, [16, 16], async (record) => {
    return bestSeconds(await measure(device, timer, record(copyDispatch(16, 1)), 1, { seconds }));
  });
}

/** Measures all ceilings; takes about `seconds` for each of several settings. */
export async function measureCeilings(device: GpuDevice, timer: Timer, seconds = 0.25): Promise<Ceilings> {
  return {
    bytesPerSecond: await copyRate(device, timer, seconds),
    flopsPerSecond: await fmaRate(device, timer, seconds),
    secondsPerDispatch: await launchTime(device, timer, seconds),
  };
}
