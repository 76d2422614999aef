/** Program calls with the numbers they read, and the results of their float64 references. */
import type { PlanTarget } from '../gpu/kernel.ts';
import { type Case, mutated, type Op } from '../ops/definition.ts';
import { callOf, type ProgramCall } from '../ops/invocations.ts';
import { fillInput } from '../ops/caseInputs.ts';
import { ReferenceBackend } from '../ops/referenceBackend.ts';
import { TapBackend } from '../ops/tapBackend.ts';
import { roundToFloat16 } from '../tensor/float16.ts';
import type { DType, TensorSpec, TypedArray } from '../tensor/spec.ts';
import { type FillInput, runCase } from './runCase.ts';

/** One program execution: its shapes and the content of its inputs. */
export interface Snapshot extends ProgramCall {
  /** The elements of each input. */
  readonly data: readonly (TypedArray | Float64Array)[];
}

/** A number as the device holds it. */
function stored(value: number, dtype: DType): number {
  return dtype === 'f32' ? Math.fround(value) : dtype === 'f16' ? roundToFloat16(value) : value;
}

/** Everything a case executes on the references, with its inputs as the device would hold them. */
export function snapshots(op: Op, testCase: Case, fill: FillInput = fillInput): Snapshot[] {
  const reference = new ReferenceBackend();
  const taken: Snapshot[] = [];
  const tap = new TapBackend(reference, {
    before: (invocation) => {
      const data = invocation.inputs.map((input) =>
        reference.array(input).data.map((value) => stored(value, input.spec.dtype)),
      );
      taken.push({ ...callOf(invocation), data });
    },
  });
  runCase(op, testCase, tap, fill);
  return taken;
}

/** The tensors that a call writes: its outputs, then the inputs that it updates. */
export function writtenSpecs({ program, inputs, outputs }: ProgramCall): TensorSpec[] {
  return [...outputs, ...mutated(program, inputs).map((index) => inputs[index])];
}

/** What the float64 reference writes, in the order of `writtenSpecs`. */
export function referenceOf({ program, attributes, inputs, outputs, data }: Snapshot): Float64Array[] {
  const arrays = inputs.map(({ shape }, index) => ({ shape, data: Float64Array.from(data[index]) }));
  const results = program.reference(arrays, attributes, outputs);
  return [...results, ...mutated(program, inputs).map((index) => arrays[index].data)];
}

/** Whether a target can run the call in that version. */
export function canRun({ target }: { readonly target: PlanTarget }, call: ProgramCall, version?: string): boolean {
  return call.program.plan(call.inputs, call.outputs, call.attributes, target, version) !== null;
}
