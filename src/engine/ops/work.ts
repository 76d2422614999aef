/** What a program computes and moves, and how long a slow GPU may take for it. */
import { byteLength, type TensorSpec } from '../tensor/spec.ts';
import { type Cost, mutated, type Program } from './definition.ts';

export interface Work {
  /** Null where the program states no cost. */
  readonly flops: number | null;
  readonly bytes: number;
}

/** A program's stated cost; by default every input is read and every output (and updated input) written once. */
export function workOf(
  program: Program,
  inputs: readonly TensorSpec[],
  outputs: readonly TensorSpec[],
  attributes: object,
): Work {
  const cost: Cost | undefined = program.cost?.(inputs, outputs, attributes);
  const updated = mutated(program, inputs).map((index) => inputs[index]);
  const traffic = [...inputs, ...outputs, ...updated].reduce((total, spec) => total + byteLength(spec), 0);
  return { flops: cost?.flops ?? null, bytes: cost?.bytes ?? traffic };
}

/** What small integrated GPUs reach: operations and bytes per second. */
const SLOW_FLOPS = 5e11;
const SLOW_BYTES = 2.5e10;

/** Seconds that a slow GPU may take for that work, by which submits are cut (`GpuDeviceOptions.secondsPerSubmit`). */
export function slowSeconds({ flops, bytes }: Work): number {
  return Math.max((flops ?? 0) / SLOW_FLOPS, bytes / SLOW_BYTES);
}
