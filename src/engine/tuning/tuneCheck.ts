/** Before a version is timed: does it compile, does it give the default's results, and the same ones twice? */
import type { GpuDevice } from '../gpu/device.ts';
import type { GpuBackend } from '../ops/gpuBackend.ts';
import type { ProgramCall } from '../ops/invocations.ts';
import type { Value } from '../ops/value.ts';
import { relativeError } from '../check/relativeError.ts';
import { allocateTyped, isFloat, sizeOf, type TensorSpec, type TypedArray } from '../tensor/spec.ts';
import type { StepCall } from './stepRecording.ts';

type Results = readonly ArrayLike<number>[];

/**
 * Versions add in different orders and round to what they store: farther from the default's results, relatively in L2 and by what is stored,
 * something is wrong with one of the two.
 */
const FARTHEST = { f32: 1e-4, f16: 1e-3, i32: 0, u32: 0 } as const;

/** What outputs hold beforehand, so that those not written show. */
const UNWRITTEN = { f32: Number.NaN, f16: Number.NaN, i32: -123_456_789, u32: 123_456_789 } as const;

/**
 * Numbers of both signs, or positive ones near 1 for calls that want such (square roots, logarithms), without any period: an element taken from the
 * wrong place must show. Zeros for indices and labels.
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

/** One run on fresh memory: what it wrote, outputs first. */
async function resultsOf(
  backend: GpuBackend,
  call: StepCall,
  version: string | null,
  positive: boolean,
): Promise<Results> {
  const { program, attributes } = call;
  // Scratch of a run before would hold the right partial sums already.
  backend.gpu.trim();
  const inputs = call.inputs.map((spec, index) => backend.upload(spec, numbersFor(spec, index + 1, positive), 'check'));
  const outputs = call.outputs.map((spec): Value => {
    const value = backend.allocate(spec, 'check');
    backend.write(value, new Float64Array(sizeOf(spec.shape)).fill(UNWRITTEN[spec.dtype]));
    return value;
  });
  try {
    backend.execute(program, inputs, outputs, attributes, version ?? undefined);
    const written = [...outputs, ...(program.mutates ?? []).map((index) => inputs[index])];
    return await Promise.all(written.map((value) => backend.download(value)));
  } finally {
    for (const value of [...inputs, ...outputs]) value.storage.release();
  }
}

const isDefined = (numbers: ArrayLike<number>): boolean => Array.prototype.every.call(numbers, Number.isFinite);

function difference(got: Results, wanted: Results, specs: readonly TensorSpec[], own: Results): string | null {
  for (const [index, numbers] of wanted.entries()) {
    if (!isDefined(numbers)) continue;
    const error = relativeError(got[index], numbers);
    if (error > FARTHEST[specs[index].dtype]) {
      return error === Number.POSITIVE_INFINITY
        ? `leaves result ${index} unwritten in part, or not finite`
        : `its result ${index} is ${error.toPrecision(2)} from the default's (relative L2)`;
    }
    if (relativeError(own[index], got[index]) > 0) return `two runs of it differ in result ${index}`;
  }
  return null;
}

/** Compiles what a version of a call would run, on trial: what the device says against it, or null. */
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
 * Tries versions of a call against its default, each on poisoned outputs and fresh scratch.
 *
 * @returns why a version may not be used, for those of which that is so.
 */
export async function refusedVersions(
  backend: GpuBackend,
  call: StepCall,
  versions: readonly (string | null)[],
  chosen: string | null,
): Promise<Map<string | null, string>> {
  const refused = new Map<string | null, string>();
  const { program, inputs, outputs } = call;
  const compiled: (string | null)[] = [];
  for (const version of versions.filter((each) => each !== chosen)) {
    const failure = await compileFailure(backend.gpu, call, version);
    if (failure === null) compiled.push(version);
    else refused.set(version, failure);
  }
  const specs = [...outputs, ...(program.mutates ?? []).map((index) => inputs[index])];
  let positive = false;
  let wanted = await resultsOf(backend, call, chosen, positive);
  if (!wanted.every(isDefined)) {
    positive = true;
    wanted = await resultsOf(backend, call, chosen, positive);
  }
  for (const version of compiled) {
    const first = await resultsOf(backend, call, version, positive);
    const second = await resultsOf(backend, call, version, positive);
    const problem = difference(first, wanted, specs, second);
    if (problem) refused.set(version, problem);
  }
  backend.gpu.trim();
  return refused;
}
