import type { Backend } from './backend.ts';
import type { Program } from './definition.ts';
import { type Invocation, TapBackend } from './tapBackend.ts';
import type { TensorSpec } from '../tensor/spec.ts';

/** One program execution by shapes alone. */
export interface ProgramCall {
  readonly program: Program;
  readonly attributes: object;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

/** What `run` executes on a backend that it is handed, in order. */
export function recordCalls(inner: Backend, run: (backend: Backend) => void): ProgramCall[] {
  const calls: ProgramCall[] = [];
  const before = ({ program, attributes, inputs, outputs }: Invocation): void => {
    calls.push({
      program,
      attributes,
      inputs: inputs.map((input) => input.spec),
      outputs: outputs.map((output) => output.spec),
    });
  };
  run(new TapBackend(inner, { before }));
  return calls;
}
