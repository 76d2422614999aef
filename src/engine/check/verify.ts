/** Compares every program that a computation executes with its float64 reference. */
import { mutated } from '../ops/definition.ts';
import type { Engine } from '../autograd/engine.ts';
import { callOf, type ProgramCall } from '../ops/invocations.ts';
import type { Invocation } from '../ops/tapBackend.ts';
import { formatShape, type TypedArray } from '../tensor/spec.ts';
import { asStored, difference } from './difference.ts';
import { referenceOf, writtenSpecs } from './snapshot.ts';

/** One program execution compared with its float64 reference. */
export interface VerifiedOp {
  readonly program: string;
  readonly shapes: string;
  /** ||got - want|| / ||want|| of the worst output; 0 where both are zero. */
  readonly relativeL2: number;
  /** The worst element of that output. */
  readonly element: { readonly output: number; readonly index: number; readonly got: number; readonly want: number };
}

type Contents = Promise<(TypedArray | Float64Array)[]>;

/** A call with copies of what it read and wrote. */
interface Executed {
  readonly call: ProgramCall;
  readonly read: Contents;
  readonly written: Contents;
}

function overflowed(values: ArrayLike<number>): boolean {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return true;
  return false;
}

/**
 * Runs `body`, and every program that it executes once more on its float64 reference with the very inputs the device had, to find which
 * op gives wrong results, and on which shapes. Rounding does not add up over ops, since each starts from the device's own
 * inputs; what is stored in float16 is compared with the reference's result rounded to it. Slow (references are plain loops) and hungry (every result is copied): for one small step.
 */
export async function verify(engine: Engine, body: () => void): Promise<VerifiedOp[]> {
  const { backend } = engine;
  const executed: Executed[] = [];
  const reads = new Map<Invocation, Contents>();
  const copy = (values: Invocation['inputs']): Contents => Promise.all(values.map((value) => backend.download(value)));
  engine.tapped(
    {
      before: (invocation) => reads.set(invocation, copy(invocation.inputs)),
      after: (invocation) => {
        const updated = mutated(invocation.program, invocation.inputs).map((index) => invocation.inputs[index]);
        const read = reads.get(invocation) ?? Promise.resolve([]);
        executed.push({ call: callOf(invocation), read, written: copy([...invocation.outputs, ...updated]) });
      },
    },
    body,
  );
  const results: VerifiedOp[] = [];
  for (const { call, read, written } of executed) {
    const data = await read;
    // An input overflowed: the op that made it was checked itself, but this call cannot be.
    if (data.some(overflowed)) continue;
    const got = await written;
    const specs = writtenSpecs(call);
    const compared = referenceOf({ ...call, data }).map((reference, output) => {
      const want = asStored(reference, specs[output].dtype);
      const { relativeL2, worst } = difference(got[output], want);
      return { relativeL2, element: { output, index: worst, got: got[output][worst], want: want[worst] } };
    });
    const worst = compared.reduce((a, b) => (b.relativeL2 > a.relativeL2 ? b : a));
    const shapes = call.inputs.map(({ shape }) => formatShape(shape)).join(' ');
    results.push({ program: call.program.name, shapes, ...worst });
  }
  return results;
}
