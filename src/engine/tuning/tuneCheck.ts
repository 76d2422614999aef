/** Checks a version before it is timed: that it compiles, gives the default's results, and gives the same ones twice. */
import { difference } from '../check/difference.ts';
import { execute, sameBits, type Written } from '../check/execute.ts';
import { type Snapshot, writtenSpecs } from '../check/snapshot.ts';
import type { GpuDevice } from '../gpu/device.ts';
import type { GpuBackend } from '../ops/gpuBackend.ts';
import type { ProgramCall } from '../ops/invocations.ts';
import { allocateTyped, isFloat, sizeOf, type TensorSpec, type TypedArray } from '../tensor/spec.ts';

/**
 * The largest relative L2 distance from the default's results, by stored type, that other orders of summation and rounding can explain;
 * beyond it one of the two versions is wrong.
 */
const FARTHEST = { f32: 1e-4, f16: 1e-3, i32: 0, u32: 0 } as const;

/**
 * Numbers of both signs, or positive ones near 1 for calls that need them (square roots, logarithms), without any period, so that an
 * element taken from the wrong place shows. Zeros for indices and labels.
 */
function numbersFor({ shape, dtype }: TensorSpec, seed: number, positive: boolean): TypedArray {
  const data = allocateTyped(dtype, sizeOf(shape));
  if (!isFloat(dtype)) return data;
  let state = (seed * 0x9e37_79b9 + 1) >>> 0;
  for (let i = 0; i < data.length; i++) {
    // xorshift32 (Marsaglia 2003).
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    const unit = (state >>> 0) / 2 ** 32;
    data[i] = positive ? 0.5 + unit : 2 * unit - 1;
  }
  return data;
}

function snapshotOf(call: ProgramCall, positive: boolean): Snapshot {
  return { ...call, data: call.inputs.map((spec, index) => numbersFor(spec, index + 1, positive)) };
}

const isDefined = ({ numbers }: Written): boolean => Array.prototype.every.call(numbers, Number.isFinite);

/** What is wrong with two runs of a version, compared with the default's results; null if nothing is. */
function problemOf(
  first: readonly Written[],
  second: readonly Written[],
  wanted: readonly Written[],
  specs: readonly TensorSpec[],
): string | null {
  for (const [index, result] of wanted.entries()) {
    if (!first[index].guardIntact) return `writes past the end of result ${index}`;
    if (!isDefined(result)) continue;
    const { relativeL2 } = difference(first[index].numbers, result.numbers);
    if (relativeL2 > FARTHEST[specs[index].dtype]) {
      return relativeL2 === Number.POSITIVE_INFINITY
        ? `leaves result ${index} unwritten in part, or not finite`
        : `its result ${index} is ${relativeL2.toPrecision(2)} from the default's (relative L2)`;
    }
    if (!sameBits(first[index], second[index])) return `two runs of it differ in result ${index}`;
  }
  return null;
}

/** Compiles on trial what a version of a call would run; returns the device's error, or null. */
export async function compileFailure(
  device: GpuDevice,
  { program, inputs, outputs, attributes }: ProgramCall,
  version: string | null,
): Promise<string | null> {
  const plan = program.plan(inputs, outputs, attributes, device.target, version ?? undefined);
  const failures = await Promise.all((plan?.dispatches ?? []).map((dispatch) => device.probe(dispatch)));
  return failures.find((message) => message !== null) ?? null;
}

/**
 * Tries versions of a call against its default (see `execute`).
 *
 * @returns the versions that may not be used, each with the reason.
 */
export async function refusedVersions(
  backend: GpuBackend,
  call: ProgramCall,
  versions: readonly (string | null)[],
  chosen: string | null,
): Promise<Map<string | null, string>> {
  const refused = new Map<string | null, string>();
  const compiled: (string | null)[] = [];
  for (const version of versions.filter((each) => each !== chosen)) {
    const failure = await compileFailure(backend.gpu, call, version);
    if (failure === null) compiled.push(version);
    else refused.set(version, failure);
  }
  let snapshot = snapshotOf(call, false);
  let wanted = await execute(backend, snapshot, chosen ?? undefined);
  if (!wanted.every(isDefined)) {
    snapshot = snapshotOf(call, true);
    wanted = await execute(backend, snapshot, chosen ?? undefined);
  }
  for (const version of compiled) {
    const first = await execute(backend, snapshot, version ?? undefined);
    const second = await execute(backend, snapshot, version ?? undefined);
    const problem = problemOf(first, second, wanted, writtenSpecs(call));
    if (problem) refused.set(version, problem);
  }
  backend.gpu.trim();
  return refused;
}
