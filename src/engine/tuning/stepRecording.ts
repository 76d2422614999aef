/** Which program each dispatch of a recorded step belongs to. */
import type { PlanTarget } from '../gpu/kernel.ts';
import type { Program } from '../ops/definition.ts';
import { GpuBackend } from '../ops/gpuBackend.ts';
import type { Value } from '../ops/value.ts';
import type { TensorSpec } from '../tensor/spec.ts';
import { callKey } from './calls.ts';

/** One execution of a program within a step, by shapes. */
export interface StepCall {
  /** Equal for calls that do the same work. */
  readonly key: string;
  readonly program: Program;
  readonly attributes: object;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** The version it was told to run in; undefined where its plan chooses. */
  readonly version: string | undefined;
}

/** A GPU backend that can note what is executed on it. */
export class RecordingBackend extends GpuBackend {
  #calls: StepCall[] | null = null;

  /** From here on executions are noted. */
  startCalls(): void {
    this.#calls = [];
  }

  /** What was executed since `startCalls`, in order. */
  stopCalls(): StepCall[] {
    const calls = this.#calls ?? [];
    this.#calls = null;
    return calls;
  }

  override execute<A extends object>(
    program: Program<A>,
    inputs: readonly Value[],
    outputs: readonly Value[],
    attributes: A,
    version?: string,
  ): void {
    super.execute(program, inputs, outputs, attributes, version);
    if (!this.#calls) return;
    const specs = inputs.map(({ spec }) => spec);
    const results = outputs.map(({ spec }) => spec);
    this.#calls.push({
      key: callKey(program as Program, attributes, specs),
      program: program as Program,
      attributes,
      inputs: specs,
      outputs: results,
      version: version ?? this.versionFor(program, specs, results, attributes),
    });
  }
}

/** What a call's plan is on a target. */
export interface PlannedCall {
  readonly call: StepCall;
  readonly dispatches: number;
  /** The version told, else the first whose plan is the one made without naming any; null where there are none or it is none of them. */
  readonly version: string | null;
}

/** The plans of calls; equal calls are planned once. */
export function planCalls(calls: readonly StepCall[], target: PlanTarget): PlannedCall[] {
  const known = new Map<string, Omit<PlannedCall, 'call'>>();
  return calls.map((call) => {
    const key = `${call.version ?? ''} ${call.key}`;
    let planned = known.get(key);
    if (!planned) {
      planned = planCall(call, target);
      known.set(key, planned);
    }
    return { call, ...planned };
  });
}

function planCall(
  { program, inputs, outputs, attributes, version }: StepCall,
  target: PlanTarget,
): Omit<PlannedCall, 'call'> {
  const planFor = (name: string | undefined) => program.plan(inputs, outputs, attributes, target, name);
  const chosen = planFor(version);
  if (!chosen) throw new Error(`${program.name}: no plan for a call that was executed`);
  const text = JSON.stringify(chosen);
  const named = version ?? program.versions?.find((name) => JSON.stringify(planFor(name)) === text);
  return { dispatches: chosen.dispatches.length, version: named ?? null };
}
