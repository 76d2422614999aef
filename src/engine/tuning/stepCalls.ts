/** Which program calls a step makes, and which of its dispatches belong to each. */
import type { PlanTarget } from '../gpu/kernel.ts';
import type { Backend } from '../ops/backend.ts';
import type { Program } from '../ops/definition.ts';
import { GpuBackend, planKey } from '../ops/gpuBackend.ts';
import { callOf, type ProgramCall } from '../ops/invocations.ts';
import { type Invocation, TapBackend } from '../ops/tapBackend.ts';
import type { Value } from '../ops/value.ts';

/** One execution of a program within a step, by shapes. */
export interface StepCall extends ProgramCall {
  /** Equal for calls that do the same work. */
  readonly key: string;
  /** The version it was made to run in; undefined where its plan chooses. */
  readonly version: string | undefined;
}

/** A GPU backend that can list what is executed on it. */
export class CallTrackingBackend extends GpuBackend {
  #calls: StepCall[] | null = null;

  /** Lists executions from here on. */
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
    const call = callOf({ program: program as Program, inputs, outputs, attributes });
    this.#calls.push({
      ...call,
      key: planKey(call.program.name, call.inputs, attributes),
      version: version ?? this.versionFor(program, call.inputs, call.outputs, attributes),
    });
  }
}

/** A backend that passes everything on to `inner`, and the list to which it adds each execution. */
export function listStepCalls(inner: Backend): { readonly calls: StepCall[]; readonly backend: Backend } {
  const calls: StepCall[] = [];
  const before = (invocation: Invocation): void => {
    const call = callOf(invocation);
    calls.push({ ...call, key: planKey(call.program.name, call.inputs, call.attributes), version: undefined });
  };
  return { calls, backend: new TapBackend(inner, { before }) };
}

/** The plan of a call on a target. */
export interface PlannedCall {
  readonly call: StepCall;
  readonly dispatches: number;
  /** The version given, else the first version whose plan equals the one made without naming a version; null where there is none. */
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
