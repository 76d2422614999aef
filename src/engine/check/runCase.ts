/** Runs a case of an op, forward and backward, on any backend. */
import { Engine } from '../autograd/engine.ts';
import type { Tensor } from '../autograd/tensor.ts';
import type { Backend } from '../ops/backend.ts';
import { fillInput } from '../ops/caseInputs.ts';
import type { Case, CaseInput, Op } from '../ops/definition.ts';
import { roundToFloat16 } from '../tensor/float16.ts';
import { isFloat, type TypedArray } from '../tensor/spec.ts';

/** Gives an input of a case its numbers, the same ones for the same `name`. */
export type FillInput = (input: CaseInput, name: string) => TypedArray | Float64Array;

/** Whether a case checks the gradient of input `index`: float inputs unless the case says otherwise. */
export function wantsGradient(testCase: Case, index: number): boolean {
  const { dtype = 'f32', grad = true } = testCase.inputs[index];
  return isFloat(dtype) && grad;
}

/** The numbers of every input of a case. */
export function caseData(op: Op, testCase: Case, fill: FillInput = fillInput): (TypedArray | Float64Array)[] {
  return testCase.inputs.map((input, index) => fill(input, `${op.name}/${testCase.name}/${index}`));
}

/** The tensors of a case that was run. */
export interface CaseRun {
  readonly engine: Engine;
  /** With their gradients, where the op has a backward pass. */
  readonly inputs: readonly Tensor[];
  /** Null where the op has none. */
  readonly output: Tensor | null;
  /** The gradient of the output that backward started from. */
  readonly cotangent: TypedArray | Float64Array | null;
}

/**
 * Runs a case forward, and backward where the op has one, with a fixed random output gradient. The caller owns the backend and the tensors
 * of the result. With `fill` null nothing is filled in: for runs that only look at shapes.
 */
export function runCase(op: Op, testCase: Case, backend: Backend, fill: FillInput | null = fillInput): CaseRun {
  const engine = new Engine(backend);
  const differentiable = 'backward' in op.gradient;
  const data = fill && caseData(op, testCase, fill);
  return engine.scope(() => {
    const inputs = testCase.inputs.map(({ shape, dtype = 'f32' }, index) => {
      const options = { dtype, requiresGrad: differentiable && wantsGradient(testCase, index) };
      return data ? engine.tensor(data[index], shape, options) : engine.empty(shape, options);
    });
    const output = engine.applyAll(op, inputs, testCase.attributes).at(0) ?? null;
    if (!output?.node) return { engine, inputs, output, cotangent: null };
    const { shape, dtype } = output;
    const drawn = fill?.({ shape, dtype }, `${op.name}/${testCase.name}/cotangent`) ?? null;
    const cotangent = drawn && dtype === 'f16' ? drawn.map(roundToFloat16) : drawn;
    engine.backward(output, cotangent ? engine.tensor(cotangent, shape, { dtype }) : engine.empty(shape, { dtype }));
    return { engine, inputs, output, cotangent };
  });
}
