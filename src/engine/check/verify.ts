import type { Invocation } from '../ops/tapBackend.ts';
import { roundToFloat16 } from '../tensor/float16.ts';
import { formatShape } from '../tensor/spec.ts';
import type { Engine } from '../autograd/engine.ts';

/** One program execution held against its float64 reference. */
export interface VerifiedOp {
  readonly program: string;
  readonly shapes: string;
  /** ||got - want|| / ||want|| of the worst output; 0 where both are zero. */
  readonly relativeL2: number;
  /** The worst element of that output. */
  readonly element: { readonly output: number; readonly index: number; readonly got: number; readonly want: number };
}

interface Taken {
  readonly invocation: Invocation;
  readonly inputs: Promise<ArrayLike<number>[]>;
  readonly outputs: Promise<ArrayLike<number>[]>;
}

function compare(got: ArrayLike<number>, want: Float64Array, output: number): Omit<VerifiedOp, 'program' | 'shapes'> {
  let squares = 0;
  let norm = 0;
  let worst = 0;
  let worstError = -1;
  for (let i = 0; i < want.length; i++) {
    // Equal infinities are equal: float16 has them early.
    const error = got[i] === want[i] ? 0 : Math.abs(got[i] - want[i]);
    squares += error * error;
    if (Number.isFinite(want[i])) norm += want[i] * want[i];
    if (!(error <= worstError)) {
      worstError = Number.isNaN(error) ? Number.POSITIVE_INFINITY : error;
      worst = i;
    }
  }
  // A result that is zero but for rounding has no relative error worth the name.
  const floor = 1e-6 * Math.sqrt(want.length);
  const relative = Math.sqrt(squares) / Math.max(Math.sqrt(norm), floor);
  return {
    relativeL2: Number.isNaN(relative) ? Number.POSITIVE_INFINITY : relative,
    element: { output, index: worst, got: got[worst], want: want[worst] },
  };
}

function overflowed(values: ArrayLike<number>): boolean {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return true;
  return false;
}

/**
 * Runs `body`, and every program that it executes once more on its float64 reference with the very inputs the device had: which
 * op, on which shapes, gives what it should not. Rounding does not add up over ops, since each starts from the device's own
 * inputs; what is stored in float16 is held against the reference's result so rounded. Slow (references are plain loops) and hungry (every result is copied): for one small step.
 */
export async function verify(engine: Engine, body: () => void): Promise<VerifiedOp[]> {
  const { backend } = engine;
  const taken: Taken[] = [];
  const inputsOf = new Map<Invocation, Promise<ArrayLike<number>[]>>();
  const copy = (values: Invocation['inputs']): Promise<ArrayLike<number>[]> =>
    Promise.all(values.map((value) => backend.download(value)));
  engine.tapped(
    {
      before: (invocation) => inputsOf.set(invocation, copy(invocation.inputs)),
      after: (invocation) => {
        const changed = (invocation.program.mutates ?? []).map((index) => invocation.inputs[index]);
        const inputs = inputsOf.get(invocation) ?? Promise.resolve([]);
        taken.push({ invocation, inputs, outputs: copy([...invocation.outputs, ...changed]) });
      },
    },
    body,
  );
  const results: VerifiedOp[] = [];
  for (const { invocation, inputs, outputs } of taken) {
    const { program, attributes } = invocation;
    const contents = await inputs;
    // Of what overflowed before (and was right to: else it would stand here already) nothing can be told any more.
    if (contents.some(overflowed)) continue;
    const arrays = invocation.inputs.map(({ spec }, index) => ({
      shape: spec.shape,
      data: Float64Array.from(contents[index]),
    }));
    const specs = invocation.outputs.map(({ spec }) => spec);
    const wanted = program.reference(arrays, attributes, specs);
    for (const index of program.mutates ?? []) wanted.push(arrays[index].data);
    const types = [...invocation.outputs, ...(program.mutates ?? []).map((index) => invocation.inputs[index])];
    const got = await outputs;
    const compared = wanted.map((want, output) =>
      compare(got[output], types[output].spec.dtype === 'f16' ? want.map(roundToFloat16) : want, output),
    );
    const worst = compared.reduce((a, b) => (b.relativeL2 > a.relativeL2 ? b : a));
    const shapes = invocation.inputs.map(({ spec }) => formatShape(spec.shape)).join(' ');
    results.push({ program: program.name, shapes, ...worst });
  }
  return results;
}
