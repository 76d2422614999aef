/** Runs a program call on a device so that what it leaves unwritten, writes past the end or does differently each time shows. */
import { mutated } from '../ops/definition.ts';
import type { GpuDevice } from '../gpu/device.ts';
import type { GpuBackend } from '../ops/gpuBackend.ts';
import type { ProgramCall } from '../ops/invocations.ts';
import { Storage, type Value } from '../ops/value.ts';
import { byteLength, fromDeviceBytes, sizeOf, type TensorSpec, type TypedArray } from '../tensor/spec.ts';
import type { Snapshot } from './snapshot.ts';

const GUARD_BYTES = 64;
/** A quiet NaN with a payload, as one float32 and as two float16 (and no integer that a kernel would give). */
const SENTINEL = 0x7fc1_7fc1;

/** What one run left in a tensor that it writes. */
export interface Written {
  readonly numbers: TypedArray;
  /** The bits of `numbers`. */
  readonly words: Uint32Array;
  /** False: the run wrote past the tensor's end. */
  readonly guardIntact: boolean;
}

/** Memory for `spec` with guard words behind it where a buffer may be that large, filled with the sentinel. */
function guarded(device: GpuDevice, spec: TensorSpec): Value {
  const { maxBufferSize, maxStorageBufferBindingSize } = device.target.limits;
  const least = Math.ceil(byteLength(spec) / 16) * 16;
  const bytes = Math.max(least, Math.min(least + GUARD_BYTES, maxBufferSize, maxStorageBufferBindingSize));
  const pool = device.bufferSource;
  const pooled = device.acquire(bytes, 'guarded output');
  device.write(pooled, new Uint32Array(bytes / 4).fill(SENTINEL));
  return { spec, storage: new Storage({ kind: 'gpu', bound: { pooled, bytes } }, () => pool.release(pooled)) };
}

/** `hostWritten`: the host fills whole words, so the guard of an odd count of float16 begins half a word later. */
async function readGuarded(device: GpuDevice, { spec, storage }: Value, hostWritten: boolean): Promise<Written> {
  if (storage.handle.kind !== 'gpu') throw new Error('not on the device');
  const { pooled, bytes } = storage.handle.bound;
  const content = await device.read(pooled, bytes);
  const words = new Uint32Array(content, 0, Math.ceil(byteLength(spec) / 4));
  // Bytes, since an odd count of float16 ends in the middle of a word.
  const end = hostWritten ? words.byteLength : byteLength(spec);
  const untouched = new Uint8Array(new Uint32Array(bytes / 4).fill(SENTINEL).buffer).subarray(end);
  return {
    words,
    numbers: fromDeviceBytes(spec.dtype, content, sizeOf(spec.shape)),
    guardIntact: new Uint8Array(content).subarray(end).every((byte, index) => byte === untouched[index]),
  };
}

/** Poisons the buffers that the pool gives out next for a call's scratch: zeros, or values of an earlier run, would hide unwritten elements. */
function poisonScratch(
  device: GpuDevice,
  { program, inputs, outputs, attributes }: ProgramCall,
  version?: string,
): void {
  const { scratch = [] } = program.plan(inputs, outputs, attributes, device.target, version) ?? {};
  const pool = device.bufferSource;
  const buffers = scratch.map((bytes) => device.acquire(bytes, 'scratch'));
  for (const pooled of buffers) device.write(pooled, new Uint32Array(pooled.capacity / 4).fill(SENTINEL));
  for (const pooled of buffers) pool.release(pooled);
}

/**
 * Runs a call once in a version (by default the plan's choice). What it writes (`writtenSpecs`) is filled with a NaN pattern beforehand, so that
 * unwritten elements show, and followed by guard words, so that overruns do; its scratch holds that pattern too.
 */
export async function execute(backend: GpuBackend, call: Snapshot, version?: string): Promise<Written[]> {
  const { gpu: device } = backend;
  const { program, attributes } = call;
  const updated = mutated(program, call.inputs);
  const inputs = call.inputs.map((spec, index) => {
    const value = updated.includes(index) ? guarded(device, spec) : backend.allocate(spec, 'input');
    backend.write(value, call.data[index]);
    return value;
  });
  const outputs = call.outputs.map((spec) => guarded(device, spec));
  try {
    poisonScratch(device, call, version);
    backend.execute(program, inputs, outputs, attributes, version);
    const results: Written[] = [];
    for (const value of outputs) results.push(await readGuarded(device, value, false));
    for (const index of updated) results.push(await readGuarded(device, inputs[index], true));
    return results;
  } finally {
    for (const value of [...inputs, ...outputs]) value.storage.release();
  }
}

/** Whether two runs wrote the same bits. */
export function sameBits(first: Written, second: Written): boolean {
  return first.words.every((word, index) => word === second.words[index]);
}
