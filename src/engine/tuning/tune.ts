/** Times every version that a step's calls can run in, and says which is fastest. */
import { GmtlError } from '../errors.ts';
import { GpuBackend } from '../ops/gpuBackend.ts';
import type { Value } from '../ops/value.ts';
import { isFloat } from '../tensor/spec.ts';
import { benchInput, versionsOf } from './calls.ts';
import { withCopyProbe } from './ceilings.ts';
import type { StepCall } from './stepCalls.ts';
import { describeCall } from './stepRows.ts';
import { chooseTimer, type Timer } from './timer.ts';
import { refusedVersions } from './tuneCheck.ts';

export interface TuneOptions {
  /** Time for the samples of one version. Default 0.1. */
  readonly seconds?: number;
  /** Called before each call is timed. */
  readonly onProgress?: (done: number, total: number, label: string) => void;
}

/** The fastest version of one call, as it is kept (see src/engine/node/tuned.ts). */
export interface TunedEntry {
  /** `planKey`: program, attributes, types and shapes. */
  readonly call: string;
  /** The fastest version; null for the one that is chosen without tuning. */
  readonly version: string | null;
  readonly milliseconds: number;
  /** Time of the version that is chosen without tuning. */
  readonly defaultMilliseconds: number;
}

export interface TunedCall extends TunedEntry {
  readonly program: string;
  /** Shapes and attributes. */
  readonly description: string;
  /** Executions in a step. */
  readonly count: number;
  /** Every version timed; the one named null or `isDefault` is what is chosen without tuning. */
  readonly versions: readonly {
    readonly version: string | null;
    readonly isDefault: boolean;
    /** Null where it was not timed to the end: several times slower than another, or refused. */
    readonly milliseconds: number | null;
    /** Why it may not be used (see `refusedVersions`); absent if it may. */
    readonly refused?: string;
  }[];
}

export interface TuneResult {
  readonly timer: Pick<Timer, 'kind' | 'reason'>;
  readonly calls: readonly TunedCall[];
  /** Distinct calls that have one version only. */
  readonly fixed: number;
}

/** Another version must be this much faster than the default: less is within the noise of the clock. */
const LEAST_GAIN = 0.03;
/** A version this many times slower than the best so far in its first sample is not timed further. */
const HOPELESS = 3;
/** Rounds over the versions of a call, so that a disturbance does not hit one alone. */
const ROUNDS = 3;

interface Candidate {
  readonly version: string | null;
  readonly isDefault: boolean;
  readonly dispatches: number;
  readonly samples: number[];
  hopeless: boolean;
}

/** Random numbers without zeros or denormals, which software adapters are slow at; indices and labels are 0. */
function makeInputs(backend: GpuBackend, call: StepCall): Value[] {
  return call.inputs.map(({ shape, dtype }, index) =>
    backend.upload(
      { shape, dtype },
      benchInput({ shape, dtype, fill: isFloat(dtype) ? 'positive' : 'zeros' }, `${call.key}/${index}`),
      'tune',
    ),
  );
}

/** Takes samples of every candidate in turn until the time is spent. */
async function race(
  backend: GpuBackend,
  timer: Timer,
  call: StepCall,
  candidates: readonly Candidate[],
  seconds: number,
): Promise<void> {
  const { program, attributes } = call;
  const inputs = makeInputs(backend, call);
  const outputs = call.outputs.map((spec) => backend.allocate(spec, 'tune'));
  const recordOf = (candidate: Candidate) => () =>
    backend.execute(program, inputs, outputs, attributes, candidate.version ?? undefined);
  try {
    let best = Number.POSITIVE_INFINITY;
    // The version chosen without tuning first: the others have to beat it.
    const ordered = [...candidates].sort((a, b) => Number(b.isDefault) - Number(a.isDefault));
    for (const candidate of ordered) {
      const record = recordOf(candidate);
      record();
      await backend.synchronize();
      candidate.samples.push(...(await timer.sample(record, candidate.dispatches, 1)));
      // One disturbed sample must not end a version: it gets a second.
      if (candidate.samples[0] > HOPELESS * best) {
        candidate.samples.push(...(await timer.sample(record, candidate.dispatches, 1)));
      }
      const fastest = Math.min(...candidate.samples);
      best = Math.min(best, fastest);
      candidate.hopeless = !candidate.isDefault && fastest > HOPELESS * best;
    }
    for (let round = 0; round < ROUNDS; round++) {
      for (const candidate of ordered) {
        if (candidate.hopeless) continue;
        const runs = Math.floor((seconds * 1000) / ROUNDS / Math.max(candidate.samples[0], 1e-3));
        const record = recordOf(candidate);
        candidate.samples.push(...(await timer.sample(record, candidate.dispatches, Math.min(30, Math.max(1, runs)))));
      }
    }
  } finally {
    for (const value of [...inputs, ...outputs]) value.storage.release();
  }
}

/** The fastest candidate: the default unless another beats it by more than the noise. */
export function pickWinner<T extends { readonly isDefault: boolean; readonly milliseconds: number | null }>(
  timed: readonly T[],
): T {
  const chosen = timed.find(({ isDefault }) => isDefault);
  if (!chosen || chosen.milliseconds === null) throw new Error('the version chosen without tuning was not timed');
  const limit = chosen.milliseconds * (1 - LEAST_GAIN);
  let winner = chosen;
  for (const candidate of timed) {
    const { milliseconds } = candidate;
    if (milliseconds === null || candidate.isDefault || milliseconds >= limit) continue;
    if (winner === chosen || milliseconds < (winner.milliseconds ?? 0)) winner = candidate;
  }
  return winner;
}

/**
 * Times the distinct calls among `calls` in every version that can run on the backend's device. Calls that the default runs fastest
 * are in the result too, with version null.
 *
 * @throws GmtlError `tune/nothing` where no call has a choice; what the device reports.
 */
export async function tuneCalls(
  backend: GpuBackend,
  calls: readonly StepCall[],
  { seconds = 0.1, onProgress }: TuneOptions = {},
): Promise<TuneResult> {
  const { gpu: device } = backend;
  const counts = new Map<string, { call: StepCall; key: string; count: number }>();
  for (const call of calls) {
    const known = counts.get(call.key);
    if (known) known.count++;
    else counts.set(call.key, { call, key: call.key, count: 1 });
  }
  const choices = [...counts.values()].flatMap((each) => {
    const versions = versionsOf(each.call, device.target, 'all');
    return versions.length > 1 ? [{ ...each, versions }] : [];
  });
  if (choices.length === 0) throw new GmtlError('tune/nothing', 'no call of this step has more than one version here');
  const timer = await withCopyProbe(device, (probe) => chooseTimer(device, probe));
  // A backend without earlier tuning, so that the default is what is chosen without tuning.
  const plain = new GpuBackend(device);
  const tuned: TunedCall[] = [];
  for (const [index, { call, key, count, versions }] of choices.entries()) {
    onProgress?.(index, choices.length, call.program.name);
    const names = versions.map(({ version }) => version);
    const chosenName = versions.find(({ isDefault }) => isDefault)?.version ?? null;
    const refused = await refusedVersions(plain, call, names, chosenName);
    const candidates = versions.flatMap((choice): Candidate[] =>
      refused.has(choice.version) ? [] : [{ ...choice, samples: [], hopeless: false }],
    );
    await race(plain, timer, call, candidates, seconds);
    device.trim();
    const timed = versions.map(({ version, isDefault }) => {
      const why = refused.get(version);
      const candidate = candidates.find((each) => each.version === version);
      return {
        version,
        isDefault,
        // The best sample is the least disturbed: other work on the machine only adds time.
        milliseconds: !candidate || candidate.hopeless ? null : Math.min(...candidate.samples),
        ...(why !== undefined && { refused: why }),
      };
    });
    const winner = pickWinner(timed);
    const chosen = timed.find(({ isDefault }) => isDefault);
    tuned.push({
      call: key,
      program: call.program.name,
      description: describeCall(call),
      count,
      versions: timed,
      version: winner.isDefault ? null : winner.version,
      milliseconds: winner.milliseconds ?? 0,
      defaultMilliseconds: chosen?.milliseconds ?? 0,
    });
  }
  onProgress?.(choices.length, choices.length, 'done');
  return { timer: { kind: timer.kind, reason: timer.reason }, calls: tuned, fixed: counts.size - choices.length };
}
