/**
 * Tier: any adapter. Every op with every input in every element type, and every pair of types of inputs that must be alike: what comes out is
 * right, or the call is refused by an error that names the op and the input. Generated from the registry, so a new op is held to it unasked.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { Engine } from '../src/engine/autograd/engine.ts';
import { mismatch } from '../src/engine/check/difference.ts';
import { snapshots } from '../src/engine/check/snapshot.ts';
import { GmtlError } from '../src/engine/errors.ts';
import type { GpuDevice } from '../src/engine/gpu/device.ts';
import type { Backend } from '../src/engine/ops/backend.ts';
import { fillInput } from '../src/engine/ops/caseInputs.ts';
import { type Case, mutated, type Op } from '../src/engine/ops/definition.ts';
import { GpuBackend } from '../src/engine/ops/gpuBackend.ts';
import { ops } from '../src/engine/ops/index.ts';
import { storesHalf } from '../src/engine/ops/invocations.ts';
import { ReferenceBackend } from '../src/engine/ops/referenceBackend.ts';
import { declaredInput } from '../src/engine/ops/signature.ts';
import type { DType } from '../src/engine/tensor/spec.ts';
import { sizeOf } from '../src/engine/tensor/spec.ts';
import { closeDeviceAfterwards, testDevice } from './device.ts';

const TYPES: readonly DType[] = ['f32', 'f16', 'i32', 'u32'];

closeDeviceAfterwards();
let device: GpuDevice;
beforeAll(async () => {
  device = await testDevice();
});

/** The smallest case of each set of inputs that an op is tested with: with and without the optional ones. */
function casesOf(op: Op): Case[] {
  const half = device.target.features.has('shader-f16');
  const smallest = new Map<number, Case>();
  const size = ({ inputs }: Case): number => inputs.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  // Labels that are negative have no unsigned type to be in.
  const tested = op.cases.filter(
    (each) =>
      each.purpose.includes('test') &&
      !each.name.includes('ignored') &&
      (half || !snapshots(op, each).some(storesHalf)),
  );
  for (const testCase of tested) {
    const known = smallest.get(testCase.inputs.length);
    if (!known || size(testCase) < size(known)) smallest.set(testCase.inputs.length, testCase);
  }
  return [...smallest.values()];
}

const labelLike = (op: Op, index: number): boolean =>
  ['label', 'seed'].includes(declaredInput(op.forward.signature.inputs, index).kind);

/** Numbers that every element type holds exactly. */
function dataOf(op: Op, { inputs, name }: Case): Float64Array[] {
  return inputs.map((input, index) =>
    labelLike(op, index)
      ? fillInput(input, name)
      : fillInput({ shape: input.shape, fill: { integersBelow: 3 } }, `${name} ${index}`).map((value) => value + 1),
  );
}

/** What the op gives, with the inputs that it updates. */
async function run(
  op: Op,
  testCase: Case,
  data: readonly Float64Array[],
  types: readonly DType[],
  backend: Backend,
): Promise<{ numbers: Float64Array; dtype: DType }[]> {
  const engine = new Engine(backend);
  const inputs = testCase.inputs.map(({ shape }, index) => engine.tensor(data[index], shape, { dtype: types[index] }));
  const outputs = engine.applyAll(op, inputs, testCase.attributes);
  const written = [...outputs, ...mutated(op.forward, inputs).map((index) => inputs[index])];
  const results = [];
  for (const tensor of written) {
    results.push({ numbers: Float64Array.from(await backend.download(tensor.value)), dtype: tensor.dtype });
  }
  for (const tensor of new Set([...inputs, ...outputs])) tensor.dispose();
  return results;
}

/** Null where the result is right or refused as it should be. */
async function problem(op: Op, testCase: Case, types: readonly DType[], changed: number): Promise<string | null> {
  const label = `${testCase.name} with ${types.join(', ')}`;
  const data = dataOf(op, testCase);
  const { kind } = declaredInput(op.forward.signature.inputs, changed);
  const names = types.map((_, index) => declaredInput(op.forward.signature.inputs, index).name);
  let got: Awaited<ReturnType<typeof run>>;
  try {
    got = await run(op, testCase, data, types, new GpuBackend(device));
  } catch (error) {
    if (!(error instanceof GmtlError)) return `${label}: ${String(error)}`;
    const says = new RegExp(`^${op.forward.name}: .*(${names.join('|')}) is [iuf]`);
    return error.code === 'tensor/dtype' && says.test(error.message)
      ? null
      : `${label}: ${error.code} ${error.message}`;
  }
  if (kind === 'label' && types[changed] !== 'i32') return `${label}: labels of that type were taken`;
  const declared = testCase.inputs.map(({ dtype = 'f32' }) => dtype);
  const moved = kind === 'any' || op.name === 'cast';
  const want = await run(op, testCase, data, moved ? types : declared, new ReferenceBackend());
  for (const [index, { numbers, dtype }] of got.entries()) {
    const half = types.includes('f16');
    const wrong = mismatch(numbers, want[index].numbers, half && dtype === 'f32' ? 'f16' : dtype, {
      relativeL2: 1e-5,
      element: 1e-5,
      reason: 'tells garbage from rounding',
    });
    if (wrong) return `${label}: output ${index} ${dtype}: ${wrong}`;
  }
  return null;
}

describe('every op with every input in every element type is right or refused', () => {
  it.each(ops.filter((op) => Object.keys(op.forward.signature.inputs).length > 0).map((op) => [op.name, op] as const))(
    '%s',
    async (_name, op) => {
      const problems: string[] = [];
      for (const testCase of casesOf(op)) {
        const declared = testCase.inputs.map(({ dtype = 'f32' }) => dtype);
        const half = device.target.features.has('shader-f16');
        for (const [index] of testCase.inputs.entries()) {
          for (const type of TYPES.filter((each) => half || each !== 'f16')) {
            for (const all of [declared, declared.map((each, at) => (labelLike(op, at) ? each : type))]) {
              const found = await problem(op, testCase, all.with(index, type), index);
              if (found) problems.push(found);
            }
          }
        }
      }
      expect([...new Set(problems)]).toEqual([]);
    },
  );
});
