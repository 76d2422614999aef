/** Finds the op in which NaN or infinity arose. */
import { GmtlError } from '../../engine/errors.ts';
import type { Engine } from '../../engine/autograd/engine.ts';
import { mutated } from '../../engine/ops/definition.ts';
import type { Invocation } from '../../engine/ops/tapBackend.ts';
import { formatShape, isFloat } from '../../engine/tensor/spec.ts';
import type { StepReport } from './stepReport.ts';

/** The first execution whose result was NaN or infinite. */
export interface NonFiniteFinding {
  readonly program: string;
  readonly shapes: string;
  /** True when one of its inputs was already not finite: the batch or a weight. */
  readonly inputsWere: boolean;
}

const hasNonFinite = (data: ArrayLike<number>): boolean => {
  for (let i = 0; i < data.length; i++) if (!Number.isFinite(data[i])) return true;
  return false;
};

/**
 * Runs `body` with every result read back, and names the first program whose output is not finite; null where all are. Slow: for
 * the one step that failed.
 */
export async function findNonFinite(engine: Engine, body: () => void): Promise<NonFiniteFinding | null> {
  const { backend } = engine;
  const checks: Promise<{ invocation: Invocation; outputs: boolean; inputs: boolean }>[] = [];
  const inspect = async (values: Invocation['outputs']): Promise<boolean> => {
    const floats = values.filter(({ spec }) => isFloat(spec.dtype));
    // The copies are recorded at once: the memory may be handed on as soon as the op's user is done with it.
    const contents = await Promise.all(floats.map((value) => backend.download(value)));
    return contents.some(hasNonFinite);
  };
  const inputsOf = new Map<Invocation, Promise<boolean>>();
  engine.tapped(
    {
      before: (invocation) => inputsOf.set(invocation, inspect(invocation.inputs)),
      after: (invocation) => {
        const { program, inputs: given } = invocation;
        const changed = mutated(program, given).map((index) => given[index]);
        const outputs = inspect([...invocation.outputs, ...changed]);
        const inputs = inputsOf.get(invocation) ?? Promise.resolve(false);
        checks.push(Promise.all([outputs, inputs]).then(([out, into]) => ({ invocation, outputs: out, inputs: into })));
      },
    },
    body,
  );
  // All of them: a readback still under way when the device is closed would fail with nobody to hear it.
  for (const { invocation, outputs, inputs } of await Promise.all(checks)) {
    if (outputs || inputs) {
      return {
        program: invocation.program.name,
        shapes: invocation.inputs.map(({ spec }) => formatShape(spec.shape)).join(' '),
        inputsWere: inputs,
      };
    }
  }
  return null;
}

/** What one process found in its part of a step that was not finite. */
interface Diagnosis {
  readonly finding: NonFiniteFinding | null;
  /** The pictures of its batches. */
  readonly paths: readonly string[];
}

/** The end of a training whose loss or gradients are not finite. @param all by rank; one where there is but one process. */
export function nonFiniteError(report: StepReport, step: number, all: readonly Diagnosis[]): GmtlError {
  const found = all.flatMap(({ finding }, rank) => {
    if (!finding) return [];
    const on = all.length > 1 ? ` on rank ${rank}` : '';
    const inputs = finding.inputsWere ? ' (its inputs were not finite either)' : '';
    return [`The first op with a result that is not finite${on}: ${finding.program} on ${finding.shapes}${inputs}.`];
  });
  const where = found.length > 0 ? found.join(' ') : 'Repeating the step gave finite results, so no op can be named.';
  const guilty = all.filter(({ finding }) => finding !== null);
  const files = (guilty.length > 0 ? guilty : all)
    .flatMap(({ paths }) => paths)
    .map((path) => `  ${path}`)
    .join('\n');
  const scaled = report.lossScale
    ? ` after ${report.lossScale.suppressedInARow} such steps in a row, with the loss scale down to ${report.lossScale.scale}; training.precision=f32 may help`
    : '';
  return new GmtlError(
    'train/not-finite',
    `step ${step + 1}: the loss (${report.losses.total}) or a gradient is NaN or infinite${scaled}. It changed no weight, and nothing was saved after it. ` +
      `${where}\nLower optimizer.lr or set optimizer.gradClipNorm, or look at the batch's images:\n${files}`,
  );
}
