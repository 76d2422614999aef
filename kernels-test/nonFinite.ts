/**
 * NaN and infinity travel: every op is run forward and backward with NaN, infinity or minus infinity planted into each of its
 * floating-point inputs, in every version of every kernel, and what is NaN, infinite or finite in the results must be so in the float64
 * reference, whose own way with them nonFiniteGoldens.test.ts holds against PyTorch. kernels.test.ts runs it on the device that has the kernels compiled.
 */
import { asStored } from '../src/engine/check/difference.ts';
import { execute } from '../src/engine/check/execute.ts';
import { canRun, referenceOf, type Snapshot, snapshots, writtenSpecs } from '../src/engine/check/snapshot.ts';
import { callsOf, fewestCases } from '../src/engine/check/testCases.ts';
import type { GpuDevice } from '../src/engine/gpu/device.ts';
import { fillInput } from '../src/engine/ops/caseInputs.ts';
import type { Case, Op } from '../src/engine/ops/definition.ts';
import { GpuBackend } from '../src/engine/ops/gpuBackend.ts';
import { type ProgramCall, storesHalf } from '../src/engine/ops/invocations.ts';
import { declaredInput } from '../src/engine/ops/signature.ts';
import { isFloat, sizeOf } from '../src/engine/tensor/spec.ts';

const SPECIAL = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];

/** Programs that treat what is not finite in a way of their own, and what tests it. */
const APART: Record<string, string> = {
  squaresToSlots: 'counts it: src/engine/optim/optimizer.test.ts',
  clipGate: 'closes on it: src/engine/optim/lossScale.test.ts',
};

/** Cases in which the special number belongs to what counts nothing: rows that are ignored, weights that are all zero, elements all dropped. */
const COUNTS_NOTHING = /ignored|all dropped|no weight|zero|weigh|all options|several turns|out of range|empty/;

/** Products: a kernel multiplies the zeros of its padding, or of a tile past the end, so NaN may spread, as it does in PyTorch's im2col. */
const SPREADS = /^(conv2d|depthwiseConv2d|convTranspose2d)/;

/** Inputs of losses that are numbers from 0 to 1, or weights: infinity means nothing there. */
const BOUNDED = /^(targets|posWeight|sampleWeights|classWeights)$/;

const versionsOf = ({ program }: ProgramCall): (string | undefined)[] => [...(program.versions ?? [undefined])];
const coverage = (device: GpuDevice, calls: readonly ProgramCall[]): string[] =>
  calls.flatMap((call) =>
    versionsOf(call).flatMap((version) =>
      canRun(device, call, version) ? [`${call.program.name} ${version} ${call.inputs.length}`] : [],
    ),
  );

/** Small cases that together reach every version of every program, with and without optional inputs. */
function casesOf(device: GpuDevice, op: Op): Case[] {
  const cases = op.cases.filter(({ purpose, name }) => purpose.includes('test') && !COUNTS_NOTHING.test(name));
  return fewestCases(cases, (testCase) => [
    ...coverage(device, callsOf(op, testCase)),
    JSON.stringify(testCase.attributes),
  ]);
}

/** Whether `got` is as `want` is: NaN, the same infinity, or finite. Of infinity gradients make NaN or infinity, as the order of the products has it. */
function agrees(got: number, want: number, snapshot: Snapshot, special: number): boolean {
  if (Number.isNaN(got))
    return (
      Number.isNaN(want) || SPREADS.test(snapshot.program.name) || (!Number.isNaN(special) && !Number.isFinite(want))
    );
  if (Number.isFinite(got)) return Number.isFinite(want);
  return got === want || (!Number.isNaN(special) && !Number.isFinite(want));
}

/** Every version of a call against its reference, computed once. */
async function problems(backend: GpuBackend, snapshot: Snapshot, special: number, label: string): Promise<string[]> {
  const { program } = snapshot;
  if (APART[program.name]) return [];
  const specs = writtenSpecs(snapshot);
  const stored = referenceOf(snapshot).map((numbers, index) => asStored(numbers, specs[index].dtype));
  const found: string[] = [];
  for (const version of versionsOf(snapshot)) {
    if (!canRun(backend.gpu, snapshot, version)) continue;
    for (const [index, { numbers }] of (await execute(backend, snapshot, version)).entries()) {
      if (!isFloat(specs[index].dtype)) continue;
      const at = stored[index].findIndex((want, i) => !agrees(numbers[i], want, snapshot, special));
      if (at < 0) continue;
      found.push(
        `${label}: ${program.name} ${version ?? ''} output ${index} at ${at}: ${numbers[at]} instead of ${stored[index][at]}`,
      );
    }
  }
  return found;
}

/** What is not as in the float64 references when a special number is in an input of an op, in words. */
export async function nonFiniteProblems(device: GpuDevice, op: Op): Promise<string[]> {
  const half = device.target.features.has('shader-f16');
  const backend = new GpuBackend(device);
  const found: string[] = [];
  for (const testCase of casesOf(device, op)) {
    const { inputs } = testCase;
    for (const [planted, { dtype = 'f32', shape }] of inputs.entries()) {
      if (!isFloat(dtype) || declaredInput(op.forward.signature.inputs, planted).kind === 'label') continue;
      const { name } = declaredInput(op.forward.signature.inputs, planted);
      for (const special of SPECIAL) {
        if (BOUNDED.test(name) && !Number.isNaN(special)) continue;
        const place = Math.floor(sizeOf(shape) / 2);
        const taken = snapshots(op, testCase, (input, name) => {
          const data = fillInput(input, name);
          if (input === inputs[planted]) data[place] = special;
          return data;
        });
        for (const snapshot of taken.filter((each) => half || !storesHalf(each))) {
          found.push(...(await problems(backend, snapshot, special, `${testCase.name}, ${name} ${special}`)));
        }
      }
    }
  }
  return [...new Set(found)];
}
