import { fillInput } from '../ops/caseInputs.ts';
import type { Case, Op } from '../ops/definition.ts';
import type { Backend } from '../ops/backend.ts';
import { ReferenceBackend } from '../ops/referenceBackend.ts';
import { roundToFloat16 } from '../tensor/float16.ts';
import { formatShape, isFloat, sizeOf } from '../tensor/spec.ts';
import { Engine } from '../autograd/engine.ts';
import type { Tensor } from '../autograd/tensor.ts';

/** Whether a case checks the gradient of input `index`: float inputs unless the case says otherwise. */
export function wantsGradient(testCase: Case, index: number): boolean {
  const { dtype = 'f32', grad = true } = testCase.inputs[index];
  return isFloat(dtype) && grad;
}

/** The numbers of every input of a case. */
export function caseData(op: Op, testCase: Case): Float64Array[] {
  return testCase.inputs.map((input, index) => fillInput(input, `${op.name}/${testCase.name}/${index}`));
}

/**
 * Runs a case forward, and backward where the op has one, with a fixed random output gradient. Gives the output, that gradient
 * and the input gradients. The caller owns the backend. With `data` null nothing is filled in: for runs that only look at shapes.
 */
export function runCase(
  op: Op,
  testCase: Case,
  backend: Backend,
  data: readonly ArrayLike<number>[] | null = caseData(op, testCase),
): { engine: Engine; inputs: Tensor[]; output: Tensor | null; cotangent: Float64Array | null } {
  const engine = new Engine(backend);
  const differentiable = 'backward' in op.gradient;
  const inputs = testCase.inputs.map((input, index) => {
    const options = { dtype: input.dtype ?? 'f32', requiresGrad: differentiable && wantsGradient(testCase, index) };
    return data
      ? engine.tensor(Float64Array.from(data[index]), input.shape, options)
      : engine.empty(input.shape, options);
  });
  const outputs = engine.applyAll(op, inputs, testCase.attributes);
  const output = outputs.at(0) ?? null;
  let cotangent: Float64Array | null = null;
  if (output?.node) {
    const { shape, dtype } = output;
    if (data) {
      cotangent = fillInput({ shape }, `${op.name}/${testCase.name}/cotangent`);
      if (dtype === 'f16') cotangent = cotangent.map(roundToFloat16);
    }
    engine.backward(output, cotangent ? engine.tensor(cotangent, shape, { dtype }) : engine.empty(shape, { dtype }));
  }
  return { engine, inputs, output, cotangent };
}

export interface GradcheckFailure {
  readonly input: number;
  readonly element: number;
  readonly analytic: number;
  readonly numeric: number;
}

/**
 * Central differences of the float64 reference against the op's own backward (run on the references as well): the check that
 * the formulas agree, free of float32 noise. Every element of every differentiable input is moved by ±`step`.
 * Returns what differs by more than `tolerance` relative to max(1, |gradient|).
 */
export async function gradcheck(op: Op, testCase: Case, step = 1e-5, tolerance = 1e-6): Promise<GradcheckFailure[]> {
  const data = caseData(op, testCase);
  const analytic = runCase(op, testCase, new ReferenceBackend(), data);
  const { cotangent } = analytic;
  if (!cotangent) throw new Error(`${op.name} / ${testCase.name}: no gradient reaches the output`);
  const objective = async (moved: readonly Float64Array[]): Promise<number> => {
    const backend = new ReferenceBackend();
    const engine = new Engine(backend);
    const inputs = testCase.inputs.map((input, index) =>
      engine.tensor(moved[index], input.shape, { dtype: input.dtype ?? 'f32' }),
    );
    const output = engine.noGrad(() => engine.apply(op, inputs, testCase.attributes));
    const values = await backend.download(output.value);
    return values.reduce((total, value, i) => total + value * cotangent[i], 0);
  };
  const failures: GradcheckFailure[] = [];
  for (const [index, input] of analytic.inputs.entries()) {
    if (!wantsGradient(testCase, index)) continue;
    if (!input.grad)
      throw new Error(`${op.name} / ${testCase.name}: input ${index} ${formatShape(input.shape)} got no gradient`);
    const gradient = await analytic.engine.backend.download(input.grad.value);
    for (let element = 0; element < sizeOf(input.shape); element++) {
      const at = (delta: number) =>
        objective(
          data.map((array, i) =>
            i === index ? array.map((value, k) => (k === element ? value + delta : value)) : array,
          ),
        );
      const numeric = ((await at(step)) - (await at(-step))) / (2 * step);
      const difference = Math.abs(numeric - gradient[element]);
      if (!(difference <= tolerance * Math.max(1, Math.abs(numeric)))) {
        failures.push({ input: index, element, analytic: gradient[element], numeric });
      }
    }
  }
  return failures;
}
