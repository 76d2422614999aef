/** Compares the gradients that an op's backward gives with central differences of its forward reference. */
import { Engine } from '../autograd/engine.ts';
import { GmtlError } from '../errors.ts';
import type { Case, Op } from '../ops/definition.ts';
import { ReferenceBackend } from '../ops/referenceBackend.ts';
import { checkAttributes, requireMade } from '../arguments.ts';
import { formatShape } from '../tensor/spec.ts';
import { caseData, runCase, wantsGradient } from './runCase.ts';

export interface GradcheckFailure {
  readonly input: number;
  readonly element: number;
  readonly analytic: number;
  readonly numeric: number;
}

const CASE = { case: 'record', inputs: 'records', step: 'number', tolerance: 'number' } as const;

/**
 * Central differences of the float64 reference against the op's own backward (run on the references as well): the check that
 * the formulas agree, free of float32 noise. Every element of every differentiable input is moved by ±`step`.
 * Returns what differs by more than `tolerance` relative to max(1, |gradient|).
 */
export async function gradcheck(op: Op, testCase: Case, step = 1e-5, tolerance = 1e-6): Promise<GradcheckFailure[]> {
  requireMade('gradcheck', 'op', op, ['name', 'forward', 'gradient'], 'defineOp');
  checkAttributes('gradcheck', CASE, { case: testCase, inputs: testCase?.inputs, step, tolerance });
  const data = caseData(op, testCase);
  const analytic = runCase(op, testCase, new ReferenceBackend());
  const { cotangent } = analytic;
  if (!cotangent)
    throw new GmtlError('autograd/graph', `${op.name} / ${testCase.name}: no gradient reaches the output`);
  const objective = async (moved: readonly ArrayLike<number>[]): Promise<number> => {
    const backend = new ReferenceBackend();
    const engine = new Engine(backend);
    const inputs = testCase.inputs.map(({ shape, dtype = 'f32' }, index) =>
      engine.tensor(Float64Array.from(moved[index]), shape, { dtype }),
    );
    const output = engine.noGrad(() => engine.apply(op, inputs, testCase.attributes));
    const values = await backend.download(output.value);
    return values.reduce((total, value, i) => total + value * cotangent[i], 0);
  };
  const failures: GradcheckFailure[] = [];
  for (const [input, { grad, shape }] of analytic.inputs.entries()) {
    if (!wantsGradient(testCase, input)) continue;
    if (!grad)
      throw new GmtlError(
        'autograd/graph',
        `${op.name} / ${testCase.name}: input ${input} ${formatShape(shape)} got no gradient`,
      );
    const gradient = await analytic.engine.backend.download(grad.value);
    for (const [element, value] of gradient.entries()) {
      const at = (delta: number) =>
        objective(data.map((array, i) => (i === input ? array.with(element, array[element] + delta) : array)));
      const numeric = ((await at(step)) - (await at(-step))) / (2 * step);
      if (!(Math.abs(numeric - value) <= tolerance * Math.max(1, Math.abs(numeric)))) {
        failures.push({ input, element, analytic: value, numeric });
      }
    }
  }
  return failures;
}
