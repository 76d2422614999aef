/** Asks a GPU with small dispatches, once, for what neither WGSL nor its adapter's info promises. */
import type { Dispatch, KernelDefinition, StorageFormat } from './kernel.ts';
import type { BufferSource, PooledBuffer } from './pool.ts';
import { kernel } from './shaderKernel.ts';
import { subgroupsPerWorkgroup } from './subgroups.ts';

const lanesKernel = kernel('probe/lanes');

interface BoundBuffer {
  readonly pooled: PooledBuffer;
  readonly bytes: number;
}

/** What a probe needs of a GpuDevice. */
interface Probed<P> {
  readonly bufferSource: BufferSource;
  acquire(bytes: number, what: string): PooledBuffer;
  write(pooled: PooledBuffer, data: ArrayBufferView<ArrayBuffer>): void;
  /** What is wrong with a kernel on this device; null where it compiles. */
  probe(dispatch: Dispatch): Promise<string | null>;
  prepare(dispatch: Dispatch, label: string): P;
  dispatch(prepared: P, buffers: readonly BoundBuffer[]): void;
  read(pooled: PooledBuffer, bytes: number): Promise<ArrayBuffer>;
}

/** The kernels of the probes themselves: they belong to no op. */
export const probeKernels: readonly KernelDefinition[] = [lanesKernel];

/**
 * Runs dispatches, each over what was given and the results of the one before, of as many bytes; returns the last one's content. Null where one of them does
 * not compile: that would otherwise end the device.
 */
async function ask<P>(
  device: Probed<P>,
  given: ArrayBufferView<ArrayBuffer>,
  kernels: readonly Omit<Dispatch, 'buffers' | 'workgroups'>[],
): Promise<ArrayBuffer | null> {
  const dispatches = kernels.map((each): Dispatch => ({ ...each, buffers: {}, workgroups: [1, 1, 1] }));
  for (const dispatch of dispatches) if ((await device.probe(dispatch)) !== null) return null;
  const bytes = given.byteLength;
  const bound = Array.from({ length: dispatches.length + 1 }, (): BoundBuffer => {
    return { pooled: device.acquire(bytes, 'a probe of the device'), bytes };
  });
  try {
    device.write(bound[0].pooled, given);
    dispatches.forEach((dispatch, index) => {
      const { bindings } = dispatch.kernel;
      const prepared = device.prepare(dispatch, 'a probe of the device');
      device.dispatch(prepared, bound.slice(index + 2 - bindings.length, index + 2));
    });
    return await device.read(bound[dispatches.length].pooled, bytes);
  } finally {
    for (const { pooled } of bound) device.bufferSource.release(pooled);
  }
}

/** Whether float32 → float16 → float32 makes infinity of what overflows: WGSL leaves open what such a conversion gives. Needs shader-f16. */
export async function keepsHalfInfinity<P>(device: Probed<P>): Promise<boolean> {
  const cast = (storage: StorageFormat, result: StorageFormat) => {
    return { kernel: kernel('movement/floatCast'), storage, result, uniforms: { size: 4, share: 64 } };
  };
  const back = await ask(device, Float32Array.of(70_000, -1e30, 65_504, 1), [
    cast(undefined, 'f16'),
    cast('f16', undefined),
  ]);
  if (back === null) return false;
  const [above, below, largest, one] = new Float32Array(back);
  return above === Number.POSITIVE_INFINITY && below === Number.NEGATIVE_INFINITY && largest === 65_504 && one === 1;
}

/** Whether a workgroup, of one subgroup or of several, is subgroups of `lanes` consecutive threads. Needs subgroups of that size. */
export async function areSubgroupsInOrder<P>(device: Probed<P>, lanes: number): Promise<boolean> {
  for (const subgroups of [1, subgroupsPerWorkgroup(lanes)]) {
    const constants = { LANES: lanes, SUBGROUPS: subgroups };
    const out = await ask(device, new Uint32Array(lanes * subgroups), [
      { kernel: lanesKernel, constants, uniforms: {} },
    ]);
    if (out === null || !new Uint32Array(out).every((word) => word === 1)) return false;
  }
  return true;
}
