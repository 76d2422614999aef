/** What the benchmark times: the program calls of every op's bench cases, once each, with the data they really get. */
import { runCase } from '../check/runCase.ts';
import type { PlanTarget } from '../gpu/kernel.ts';
import type { Backend } from '../ops/backend.ts';
import { fillInput } from '../ops/caseInputs.ts';
import type { Case, CaseInput, Op, Program } from '../ops/definition.ts';
import { planKey } from '../ops/gpuBackend.ts';
import { listCalls, type ProgramCall, storesHalf } from '../ops/invocations.ts';
import { halfCase } from '../ops/storage.ts';
import { DryBackend, type Invocation, TapBackend } from '../ops/tapBackend.ts';
import { allocateTyped, sizeOf, type TensorSpec, type TypedArray } from '../tensor/spec.ts';

/** One version of a program; null is the only one of a program without versions. */
export interface VersionChoice {
  readonly version: string | null;
  readonly isDefault: boolean;
  /** Dispatches of its plan. */
  readonly dispatches: number;
}

export interface BenchCall extends ProgramCall {
  /** Equal for calls that do the same work, whichever case they come from. */
  readonly key: string;
  readonly part: 'forward' | 'backward';
  /** How often the case makes this call. */
  readonly count: number;
  readonly versions: readonly VersionChoice[];
}

export interface BenchCase {
  readonly op: Op;
  readonly testCase: Case;
  readonly calls: readonly BenchCall[];
}

function specText({ dtype, shape }: TensorSpec): string {
  return `${dtype}[${shape.join(',')}]`;
}

/**
 * The versions that can run a call on `target`. The default is the version whose plan equals the one made without naming a
 * version; where the default plan is none of them (it may choose by shape), it is a row of its own, named `default`.
 */
export function versionsOf(call: ProgramCall, target: PlanTarget, which: 'all' | 'default'): VersionChoice[] {
  const planFor = (version?: string) => call.program.plan(call.inputs, call.outputs, call.attributes, target, version);
  const chosen = planFor();
  if (!chosen) throw new Error(`${call.program.name}: no plan for ${call.inputs.map(specText).join(' ')}`);
  const chosenText = JSON.stringify(chosen);
  const all = (call.program.versions ?? []).flatMap((version): VersionChoice[] => {
    const plan = planFor(version);
    if (!plan) return [];
    return [{ version, isDefault: JSON.stringify(plan) === chosenText, dispatches: plan.dispatches.length }];
  });
  if (!all.some(({ isDefault }) => isDefault)) {
    all.push({ version: null, isDefault: true, dispatches: chosen.dispatches.length });
  }
  // Versions with one plan are timed once.
  const first = all.findIndex(({ isDefault }) => isDefault);
  const distinct = all.filter(({ isDefault }, index) => !isDefault || index === first);
  return which === 'all' ? distinct : distinct.filter(({ isDefault }) => isDefault);
}

/** Whether a part of `op / case / program` contains the text, ignoring case. */
function matchesFilter(filter: string | undefined, op: Op, testCase: Case, program: Program): boolean {
  if (filter === undefined) return true;
  return `${op.name} / ${testCase.name} / ${program.name}`.toLowerCase().includes(filter.toLowerCase());
}

/**
 * The bench cases of `ops`, each with its calls that fit the filter. Leaves out cases without such a call, cases that the target cannot run
 * and, with precision f16, cases that cannot store float16.
 */
export function collectCases(
  ops: readonly Op[],
  target: PlanTarget,
  options: { readonly filter?: string; readonly versions: 'all' | 'default'; readonly precision?: 'f32' | 'f16' },
): BenchCase[] {
  return ops.flatMap((op) =>
    op.cases
      .filter(({ purpose }) => purpose.includes('bench'))
      .flatMap((testCase) => (options.precision === 'f16' ? (halfCase(op, testCase) ?? []) : testCase))
      .flatMap((testCase): BenchCase[] => {
        const calls = new Map<string, BenchCall>();
        const listed = listCalls(new DryBackend(), (backend) => runCase(op, testCase, backend, null));
        if (!target.features.has('shader-f16') && listed.some(storesHalf)) return [];
        for (const [index, call] of listed.entries()) {
          if (!matchesFilter(options.filter, op, testCase, call.program)) continue;
          const key = planKey(call.program.name, call.inputs, call.attributes);
          const known = calls.get(key);
          if (known) {
            calls.set(key, { ...known, count: known.count + 1 });
            continue;
          }
          const versions = versionsOf(call, target, options.versions);
          // The forward program is the first that the engine runs; all others are backward.
          calls.set(key, { ...call, key, part: index === 0 ? 'forward' : 'backward', count: 1, versions });
        }
        return calls.size > 0 ? [{ op, testCase, calls: [...calls.values()] }] : [];
      }),
  );
}

/** A prime, so that repetitions fall at different places in rows and tiles. */
const TILE = 65_521;

/** A case's input; large random ones repeat a block, because drawing millions of numbers takes longer than the kernels. */
export function benchInput(input: CaseInput, name: string): TypedArray {
  const size = sizeOf(input.shape);
  const data = allocateTyped(input.dtype ?? 'f32', size);
  const hasValues = typeof input.fill === 'object' && 'values' in input.fill;
  if (hasValues || size <= TILE) {
    data.set(fillInput(input, name));
    return data;
  }
  const tile = fillInput({ ...input, shape: [TILE] }, name);
  for (let at = 0; at < size; at += TILE) data.set(tile.subarray(0, size - at), at);
  return data;
}

/**
 * Runs a case forward and backward on `backend` and keeps what the wanted calls read, so that saved statistics and indices
 * are valid when the calls are repeated. The caller frees it.
 */
export function executeCase(
  { op, testCase }: BenchCase,
  backend: Backend,
  wanted: ReadonlySet<string>,
): { invocations: Map<string, Invocation>; free(): void } {
  const invocations = new Map<string, Invocation>();
  const tap = new TapBackend(backend, {
    before: (invocation) => {
      const key = planKey(
        invocation.program.name,
        invocation.inputs.map(({ spec }) => spec),
        invocation.attributes,
      );
      if (!wanted.has(key) || invocations.has(key)) return;
      for (const input of invocation.inputs) input.storage.retain();
      invocations.set(key, invocation);
    },
  });
  const free = () => {
    for (const { inputs } of invocations.values()) for (const input of inputs) input.storage.release();
  };
  try {
    const { inputs, output } = runCase(op, testCase, tap, benchInput);
    for (const tensor of [...inputs, output]) tensor?.dispose();
  } catch (error) {
    free();
    throw error;
  }
  return { invocations, free };
}
