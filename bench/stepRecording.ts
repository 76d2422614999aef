/** Which program each dispatch of a recorded step belongs to. */
import type { PlanTarget } from '../src/gpu/kernel.ts';
import type { Program } from '../src/ops/definition.ts';
import { GpuBackend } from '../src/ops/gpuBackend.ts';
import type { Value } from '../src/ops/value.ts';
import type { TensorSpec } from '../src/tensor/spec.ts';
import { callKey } from './calls.ts';

/** One execution of a program within a step, by shapes. */
export interface StepCall {
  /** Equal for calls that do the same work. */
  readonly key: string;
  readonly program: Program;
  readonly attributes: object;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** Dispatches it added, in the order of the step's dispatches. */
  readonly dispatches: number;
  /** The version it was asked to run in; null where the plan chose. */
  readonly version: string | null;
}

/** A GPU backend that can note what is executed on it. */
export class RecordingBackend extends GpuBackend {
  #calls: StepCall[] | null = null;

  /** Runs `body` and gives back the programs it executed, in order. */
  recordCalls(body: () => void): StepCall[] {
    const outer = this.#calls;
    const calls: StepCall[] = [];
    this.#calls = calls;
    try {
      body();
    } finally {
      this.#calls = outer;
    }
    return calls;
  }

  override execute<A extends object>(
    program: Program<A>,
    inputs: readonly Value[],
    outputs: readonly Value[],
    attributes: A,
    version?: string,
  ): void {
    const before = this.gpu.counts.dispatches;
    super.execute(program, inputs, outputs, attributes, version);
    if (!this.#calls) return;
    const specs = inputs.map(({ spec }) => spec);
    this.#calls.push({
      key: callKey(program as Program, attributes, specs),
      program: program as Program,
      attributes,
      inputs: specs,
      outputs: outputs.map(({ spec }) => spec),
      dispatches: this.gpu.counts.dispatches - before,
      version: version ?? null,
    });
  }
}

/**
 * The version a call runs in: the one it was asked for, else the first whose plan equals the one made without naming any. Null where the
 * program has no versions or its plan is none of them.
 */
export function versionOf(call: StepCall, target: PlanTarget): string | null {
  if (call.version !== null) return call.version;
  const { program, inputs, outputs, attributes } = call;
  const chosen = JSON.stringify(program.plan(inputs, outputs, attributes, target));
  return (
    program.versions?.find(
      (version) => JSON.stringify(program.plan(inputs, outputs, attributes, target, version)) === chosen,
    ) ?? null
  );
}
