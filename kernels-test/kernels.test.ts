/**
 * Tier: any adapter. Every program that any case of any op executes, forward and backward, in every version, against its float64
 * reference: outputs are filled with a NaN pattern beforehand (unwritten cells show), followed by guard words (overruns show),
 * and every run is done twice (bitwise equal). Ops that can store float16 do all of it once more in float16, where the adapter can:
 * inputs are rounded to it first, so that only the rounding of the outputs is allowed for (compare.ts) beyond the case's tolerance.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import type { GpuDevice } from '../src/gpu/device.ts';
import { caseData, runCase } from '../src/autograd/gradcheck.ts';
import type { Case, Op } from '../src/ops/definition.ts';
import { SUM_TOLERANCE } from '../src/ops/definition.ts';
import { GpuBackend } from '../src/ops/gpuBackend.ts';
import { ops } from '../src/ops/index.ts';
import { halfCase } from '../src/ops/storage.ts';
import { ReferenceBackend } from '../src/ops/referenceBackend.ts';
import { type Invocation, TapBackend } from '../src/ops/tapBackend.ts';
import { Storage, type Value } from '../src/ops/value.ts';
import { roundToFloat16 } from '../src/tensor/float16.ts';
import { byteLength, type DType, fromDeviceBytes, sizeOf, type TensorSpec } from '../src/tensor/spec.ts';
import { mismatch } from './compare.ts';
import { closeDeviceAfterwards, testDevice } from './device.ts';

const GUARD_BYTES = 64;
const SENTINEL = 0x7fc1_2345; // a quiet NaN with a payload

interface Snapshot extends Invocation {
  readonly data: readonly Float64Array[];
}

closeDeviceAfterwards();
let device: GpuDevice;
beforeEach(async () => {
  device = await testDevice();
});

/** A number as the device holds it. */
function stored(value: number, dtype: DType): number {
  return dtype === 'f32' ? Math.fround(value) : dtype === 'f16' ? roundToFloat16(value) : value;
}

/** Everything the case executes on the references, with its inputs as the device would hold them. */
function snapshots(op: Op, testCase: Case): Snapshot[] {
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
function guarded(spec: TensorSpec): Value {
  const bytes = Math.ceil(byteLength(spec) / 16) * 16 + GUARD_BYTES;
  const pool = device.bufferSource;
  const pooled = device.acquire(bytes, 'guarded output');
  device.write(pooled, new Uint32Array(bytes / 4).fill(SENTINEL));
  return { spec, storage: new Storage({ kind: 'gpu', bound: { pooled, bytes } }, () => pool.release(pooled)) };
}

/** `hostWritten`: the host fills whole words, so the guard of an odd count of float16 begins half a word later. */
async function readGuarded(
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
  snapshot: Snapshot,
  version: string | undefined,
): Promise<Awaited<ReturnType<typeof readGuarded>>[]> {
  const backend = new GpuBackend(device);
  const { program, attributes } = snapshot;
  const inputs = snapshot.inputs.map(({ spec }, index) => {
    const value = program.mutates?.includes(index) ? guarded(spec) : backend.allocate(spec, 'input');
    backend.write(value, snapshot.data[index]);
    return value;
  });
  const outputs = snapshot.outputs.map(({ spec }) => guarded(spec));
  backend.execute(program, inputs, outputs, attributes, version);
  const results = [];
  for (const value of outputs) results.push(await readGuarded(value, false));
  for (const index of program.mutates ?? []) results.push(await readGuarded(inputs[index], true));
  for (const value of [...inputs, ...outputs]) value.storage.release();
  return results;
}

async function check(snapshot: Snapshot, testCase: Case, version: string | undefined): Promise<string[]> {
  const { program, attributes } = snapshot;
  const specs = snapshot.outputs.map(({ spec }) => spec);
  const inputs = snapshot.inputs.map(({ spec }, index) => ({ shape: spec.shape, data: snapshot.data[index].slice() }));
  const wanted = program.reference(inputs, attributes, specs);
  for (const index of program.mutates ?? []) {
    wanted.push(inputs[index].data);
    specs.push(snapshot.inputs[index].spec);
  }
  const first = await execute(snapshot, version);
  const second = await execute(snapshot, version);
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

const checkedVersions = new Set<string>();
const knownVersions = new Set<string>();

for (const op of ops) {
  describe(op.name, () => {
    const cases = op.cases.filter(({ purpose }) => purpose.includes('test'));
    for (const testCase of cases.flatMap((single) => [single, halfCase(op, single) ?? []].flat())) {
      it(testCase.name, async ({ skip }) => {
        const problems: string[] = [];
        const taken = snapshots(op, testCase);
        const half = taken.some(({ inputs, outputs }) =>
          [...inputs, ...outputs].some(({ spec }) => spec.dtype === 'f16'),
        );
        if (half && !device.target.features.has('shader-f16')) skip(`${device.name} has no shader-f16`);
        for (const snapshot of taken) {
          const { program, attributes } = snapshot;
          for (const version of program.versions ?? [undefined]) {
            knownVersions.add(`${program.name} ${version}`);
            const plan = program.plan(
              snapshot.inputs.map(({ spec }) => spec),
              snapshot.outputs.map(({ spec }) => spec),
              attributes,
              device.target,
              version,
            );
            if (!plan) continue;
            checkedVersions.add(`${program.name} ${version}`);
            problems.push(...(await check(snapshot, testCase, version)));
          }
        }
        expect(problems).toEqual([]);
      });
    }
  });
}

it('says which kernel versions this adapter cannot run (registry.test.ts holds that a case reaches each)', () => {
  const unreached = [...knownVersions].filter((version) => !checkedVersions.has(version));
  // Versions that need what the adapter has not (subgroups, hardware) are listed, not hidden.
  if (unreached.length > 0) console.info(`not runnable on ${device.name}: ${unreached.join(', ')}`);
  expect(checkedVersions.size).toBeGreaterThan(0);
});
