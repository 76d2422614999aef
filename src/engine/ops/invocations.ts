/** Records which programs a computation runs, by shapes alone. */
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

/** An execution by its shapes. */
export function callOf({ program, attributes, inputs, outputs }: Invocation): ProgramCall {
  return { program, attributes, inputs: inputs.map(({ spec }) => spec), outputs: outputs.map(({ spec }) => spec) };
}

/** Whether any tensor of a call is float16. */
export function storesHalf({ inputs, outputs }: ProgramCall): boolean {
  return [...inputs, ...outputs].some(({ dtype }) => dtype === 'f16');
}

/** What `run` executes on a backend that it is handed, in order. */
export function listCalls(inner: Backend, run: (backend: Backend) => void): ProgramCall[] {
  const calls: ProgramCall[] = [];
  run(new TapBackend(inner, { before: (invocation) => calls.push(callOf(invocation)) }));
  return calls;
}
