/** Runs program calls of the ops' cases on a device and compares them with the float64 references. */
import { caseData, runCase } from '../src/engine/check/gradcheck.ts';
import type { GpuDevice } from '../src/engine/gpu/device.ts';
import type { Case, Op } from '../src/engine/ops/definition.ts';
import { SUM_TOLERANCE } from '../src/engine/ops/definition.ts';
import { GpuBackend } from '../src/engine/ops/gpuBackend.ts';
import { ReferenceBackend } from '../src/engine/ops/referenceBackend.ts';
import { halfCase } from '../src/engine/ops/storage.ts';
import { type Invocation, TapBackend } from '../src/engine/ops/tapBackend.ts';
import { Storage, type Value } from '../src/engine/ops/value.ts';
import { roundToFloat16 } from '../src/engine/tensor/float16.ts';
import { byteLength, type DType, fromDeviceBytes, sizeOf, type TensorSpec } from '../src/engine/tensor/spec.ts';
import { mismatch } from './compare.ts';

const GUARD_BYTES = 64;
const SENTINEL = 0x7fc1_2345; // a quiet NaN with a payload

/** A program call of a case, with the numbers it gets. */
export interface Snapshot extends Invocation {
  readonly data: readonly Float64Array[];
}

/** A number as the device holds it. */
function stored(value: number, dtype: DType): number {
  return dtype === 'f32' ? Math.fround(value) : dtype === 'f16' ? roundToFloat16(value) : value;
}

/** Everything the case executes on the references, with its inputs as the device would hold them. */
export function snapshots(op: Op, testCase: Case): Snapshot[] {
  const reference = new ReferenceBackend();
  const taken: Snapshot[] = [];
  const tap = new TapBackend(reference, {
    before: (invocation) =>
      taken.push({
        ...invocation,
        data: invocation.inputs.map((input) =>
          reference.array(input).data.map((value) => stored(value, input.spec.dtype)),
        ),
      }),
  });
  runCase(op, testCase, tap, caseData(op, testCase));
  return taken;
}

/** A device value with guard words behind it, filled with the sentinel. */
function guarded(device: GpuDevice, spec: TensorSpec): Value {
  const bytes = Math.ceil(byteLength(spec) / 16) * 16 + GUARD_BYTES;
  const pool = device.bufferSource;
  const pooled = device.acquire(bytes, 'guarded output');
  device.write(pooled, new Uint32Array(bytes / 4).fill(SENTINEL));
  return { spec, storage: new Storage({ kind: 'gpu', bound: { pooled, bytes } }, () => pool.release(pooled)) };
}

/** `hostWritten`: the host fills whole words, so the guard of an odd count of float16 begins half a word later. */
async function readGuarded(
  device: GpuDevice,
  value: Value,
  hostWritten: boolean,
): Promise<{ words: Uint32Array; numbers: ArrayLike<number>; guardIntact: boolean }> {
  const { handle } = value.storage;
  if (handle.kind !== 'gpu') throw new Error('not on the device');
  const bytes = byteLength(value.spec);
  const all = new Uint32Array(await device.read(handle.bound.pooled, handle.bound.bytes));
  const words = all.slice(0, Math.ceil(bytes / 4));
  // Bytes, since an odd count of float16 ends in the middle of a word.
  const end = hostWritten ? 4 * words.length : bytes;
  const guard = new Uint8Array(all.buffer).subarray(end);
  const untouched = new Uint8Array(new Uint32Array(all.length).fill(SENTINEL).buffer).subarray(end);
  return {
    words,
    numbers: fromDeviceBytes(value.spec.dtype, words.slice().buffer, sizeOf(value.spec.shape)),
    guardIntact: guard.every((byte, index) => byte === untouched[index]),
  };
}

async function execute(
  device: GpuDevice,
  snapshot: Snapshot,
  version: string | undefined,
): Promise<Awaited<ReturnType<typeof readGuarded>>[]> {
  const backend = new GpuBackend(device);
  const { program, attributes } = snapshot;
  const inputs = snapshot.inputs.map(({ spec }, index) => {
    const value = program.mutates?.includes(index) ? guarded(device, spec) : backend.allocate(spec, 'input');
    backend.write(value, snapshot.data[index]);
    return value;
  });
  const outputs = snapshot.outputs.map(({ spec }) => guarded(device, spec));
  backend.execute(program, inputs, outputs, attributes, version);
  const results = [];
  for (const value of outputs) results.push(await readGuarded(device, value, false));
  for (const index of program.mutates ?? []) results.push(await readGuarded(device, inputs[index], true));
  for (const value of [...inputs, ...outputs]) value.storage.release();
  return results;
}

/**
 * Runs a call twice on the device, in one version, and compares it with the float64 reference. Outputs are filled with a NaN pattern
 * beforehand (unwritten cells show) and followed by guard words (overruns show).
 * @returns what is wrong, in words.
 */
export async function checkVersion(
  device: GpuDevice,
  snapshot: Snapshot,
  testCase: Case,
  version: string | undefined,
): Promise<string[]> {
  const { program, attributes } = snapshot;
  const specs = snapshot.outputs.map(({ spec }) => spec);
  const inputs = snapshot.inputs.map(({ spec }, index) => ({ shape: spec.shape, data: snapshot.data[index].slice() }));
  const wanted = program.reference(inputs, attributes, specs);
  for (const index of program.mutates ?? []) {
    wanted.push(inputs[index].data);
    specs.push(snapshot.inputs[index].spec);
  }
  const first = await execute(device, snapshot, version);
  const second = await execute(device, snapshot, version);
  const label = `${program.name}${version ? ` (${version})` : ''}`;
  return first.flatMap((result, index) => {
    const problems: string[] = [];
    const problem = mismatch(result.numbers, wanted[index], specs[index].dtype, testCase.tolerance ?? SUM_TOLERANCE);
    if (problem) problems.push(`${label} output ${index}: ${problem}`);
    if (!result.guardIntact) problems.push(`${label} output ${index}: wrote past its end`);
    if (!result.words.every((word, i) => word === second[index].words[i])) {
      problems.push(`${label} output ${index}: two runs differ`);
    }
    return problems;
  });
}

/** Whether the device can run the call in that version. */
export function canRun(
  device: GpuDevice,
  { program, attributes, inputs, outputs }: Snapshot,
  version: string | undefined,
): boolean {
  const specs = (values: readonly { readonly spec: TensorSpec }[]) => values.map(({ spec }) => spec);
  return program.plan(specs(inputs), specs(outputs), attributes, device.target, version) !== null;
}

/** Whether any of the calls stores float16. */
export function storesHalf(calls: readonly Snapshot[]): boolean {
  return calls.some(({ inputs, outputs }) => [...inputs, ...outputs].some(({ spec }) => spec.dtype === 'f16'));
}

/** The cases of an op for tests, and the same in float16 where it can store that. */
export function testCases(op: Op): Case[] {
  return op.cases
    .filter(({ purpose }) => purpose.includes('test'))
    .flatMap((single) => [single, halfCase(op, single) ?? []].flat());
}
