/** Times every program that the ops' bench cases run, forward and backward, in every version, on one adapter. */
import { GmtlError } from '../src/engine/errors.ts';
import type { GpuDevice } from '../src/engine/gpu/device.ts';
import type { Op } from '../src/engine/ops/definition.ts';
import { GpuBackend } from '../src/engine/ops/gpuBackend.ts';
import type { Invocation } from '../src/engine/ops/tapBackend.ts';
import type { TensorSpec } from '../src/engine/tensor/spec.ts';
import {
  type BenchCall,
  type BenchCase,
  collectCases,
  executeCase,
  type VersionChoice,
} from '../src/engine/tuning/calls.ts';
import { type Ceilings, measureCeilings, withCopyProbe } from '../src/engine/tuning/ceilings.ts';
import { type Work, workOf } from '../src/engine/ops/work.ts';
import { type Rates, ratesOf } from '../src/engine/tuning/rates.ts';
import { compileFailure } from '../src/engine/tuning/tuneCheck.ts';
import { chooseTimer, type Measurement, measure, type Timer } from '../src/engine/tuning/timer.ts';

export interface KernelBenchOptions {
  /** Only calls whose `op / case / program` contains this text. */
  readonly filter?: string;
  /** Every version a call can run in, or only the one the engine would choose. Default `all`. */
  readonly versions?: 'all' | 'default';
  /** Storage of activations. Default f32; with f16 only ops that can store it are timed. */
  readonly precision?: 'f32' | 'f16';
  /** Time for the samples of one row. Default 0.3. */
  readonly seconds?: number;
  /** Called before each row. */
  readonly onProgress?: (
    done: number,
    total: number,
    label: string,
    at?: Pick<BenchProblem, 'op' | 'testCase'>,
  ) => void;
  /** Called once, before the first row. */
  readonly onCeilings?: (ceilings: Ceilings, timer: Pick<Timer, 'kind' | 'reason'>) => void;
  /** Called with each row as soon as it is measured. */
  readonly onRow?: (row: BenchRow) => void;
  /** Called with each problem as soon as it is met. */
  readonly onProblem?: (problem: BenchProblem) => void;
}

/** One version of one program call of one case. */
export interface BenchRow {
  readonly op: string;
  readonly testCase: string;
  readonly part: 'forward' | 'backward';
  /** How often the case makes this call. */
  readonly count: number;
  readonly program: string;
  readonly version: string | null;
  readonly isDefault: boolean;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly attributes: object;
  readonly dispatches: number;
  readonly work: Work;
  readonly measurement: Measurement;
  readonly rates: Rates;
  /** Measured in an earlier case that makes the same call. */
  readonly shared: boolean;
}

/** A case, or one version of a call of it, that could not be timed, and why. */
export interface BenchProblem {
  readonly op: string;
  readonly testCase: string;
  readonly message: string;
}

export interface KernelBench {
  readonly timer: Pick<Timer, 'kind' | 'reason'>;
  readonly ceilings: Ceilings;
  readonly rows: readonly BenchRow[];
  readonly problems: readonly BenchProblem[];
}

async function measureVersion(
  backend: GpuBackend,
  timer: Timer,
  invocation: Invocation,
  { version, dispatches }: VersionChoice,
  seconds: number,
): Promise<Measurement> {
  const { program, inputs, attributes } = invocation;
  const outputs = invocation.outputs.map(({ spec }) => backend.allocate(spec, `bench ${program.name}`));
  try {
    const record = () => backend.execute(program, inputs, outputs, attributes, version ?? undefined);
    return await measure(backend.gpu, timer, record, dispatches, { seconds });
  } finally {
    for (const output of outputs) output.storage.release();
  }
}

/** The message of a `GmtlError` that one op or case threw; rethrows everything else, and any error once the device has failed. */
function problemOf(error: unknown, device: GpuDevice): string {
  if (!(error instanceof GmtlError) || device.failed) throw error;
  return error.message;
}

/**
 * Walks the bench cases of `ops`. Calls that several cases make are timed once.
 * @throws GmtlError `bench/filter` when nothing fits the filter; what the device reported when it fails.
 */
export async function benchKernels(
  device: GpuDevice,
  ops: readonly Op[],
  {
    filter,
    versions = 'all',
    precision = 'f32',
    seconds = 0.3,
    onProgress,
    onCeilings,
    onRow,
    onProblem,
  }: KernelBenchOptions = {},
): Promise<KernelBench> {
  const cases = collectCases(ops, device.target, { filter, versions, precision });
  if (cases.length === 0) {
    const names = ops.map(({ name }) => name).join(', ');
    throw new GmtlError(
      'bench/filter',
      `Nothing to time: no "op / case / program" contains "${filter}". The ops are ${names}.`,
    );
  }
  const timer = await withCopyProbe(device, (probe) => chooseTimer(device, probe));
  const ceilings = await measureCeilings(device, timer, Math.min(seconds, 0.25));
  onCeilings?.(ceilings, { kind: timer.kind, reason: timer.reason });

  const rowKey = (call: BenchCall, choice: VersionChoice) => `${call.key} ${choice.version}`;
  const total = new Set(
    cases.flatMap(({ calls }) => calls.flatMap((call) => call.versions.map((choice) => rowKey(call, choice)))),
  ).size;
  /** Null for a version that does not compile. */
  const measured = new Map<string, Measurement | null>();
  const rows: BenchRow[] = [];
  const problems: BenchProblem[] = [];
  const report = ({ op, testCase }: BenchCase, message: string): void => {
    const problem = { op: op.name, testCase: testCase.name, message };
    problems.push(problem);
    onProblem?.(problem);
  };
  const backend = new GpuBackend(device);

  const timeCase = async (benchCase: BenchCase): Promise<void> => {
    const { op, testCase, calls } = benchCase;
    const missing = calls.filter((call) => call.versions.some((choice) => !measured.has(rowKey(call, choice))));
    const fresh = new Set<string>();
    if (missing.length > 0) {
      const { invocations, free } = executeCase(benchCase, backend, new Set(missing.map(({ key }) => key)));
      try {
        for (const call of missing) {
          const invocation = invocations.get(call.key);
          if (!invocation) throw new Error(`${op.name} / ${testCase.name}: ${call.program.name} was planned, not run`);
          for (const choice of call.versions) {
            const key = rowKey(call, choice);
            onProgress?.(
              measured.size,
              total,
              `${op.name} / ${testCase.name} / ${call.program.name} ${choice.version ?? ''}`,
              { op: op.name, testCase: testCase.name },
            );
            // A version that this driver refuses must not end the measurement of the others; the default version must compile.
            const failure = choice.isDefault ? null : await compileFailure(device, call, choice.version);
            if (failure !== null) {
              report(benchCase, `${call.program.name} ${choice.version}: ${failure}`);
            }
            measured.set(
              key,
              failure === null ? await measureVersion(backend, timer, invocation, choice, seconds) : null,
            );
            fresh.add(key);
          }
        }
      } finally {
        free();
        device.trim();
      }
    }
    for (const call of calls) {
      const work = workOf(call.program, call.inputs, call.outputs, call.attributes);
      for (const choice of call.versions) {
        const measurement = measured.get(rowKey(call, choice));
        if (!measurement) continue;
        const row: BenchRow = {
          op: op.name,
          testCase: testCase.name,
          part: call.part,
          count: call.count,
          program: call.program.name,
          version: choice.version,
          isDefault: choice.isDefault,
          inputs: call.inputs,
          outputs: call.outputs,
          attributes: call.attributes,
          dispatches: choice.dispatches,
          work,
          measurement,
          rates: ratesOf(work, measurement.median, choice.dispatches, ceilings),
          shared: !fresh.has(rowKey(call, choice)),
        };
        rows.push(row);
        onRow?.(row);
      }
    }
  };

  for (const benchCase of cases) {
    try {
      await timeCase(benchCase);
    } catch (error) {
      report(benchCase, problemOf(error, device));
    }
  }
  onProgress?.(total, total, 'done');
  return { timer: { kind: timer.kind, reason: timer.reason }, ceilings, rows, problems };
}
