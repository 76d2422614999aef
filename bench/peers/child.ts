/** The process of one engine: prepares, checks and times the rows it is given, and reports each to the parent (run.ts) as it goes. */
import { median } from '../../src/engine/tuning/timer.ts';
import { type CheckResult, compareAll, KERNEL_TOLERANCE, STEP_TOLERANCE } from './check.ts';
import { type PeerEngine, type Prepared, Unsupported } from './engine.ts';
import type { ChildMessage, ChildOrder, RowKey, RowResult } from './protocol.ts';
import { readReference } from './reference.ts';
import { makeInputs, type Pass, WORKLOADS, type Workload } from './workloads.ts';

const MOST_SAMPLES = 50;
const FEWEST_SAMPLES = 5;
/** For slow runs; three samples still give a median. */
const FEWEST_SLOW_SAMPLES = 3;
const SLOW_MILLISECONDS = 3000;

async function timeOnce(prepared: Prepared): Promise<number> {
  const start = performance.now();
  await prepared.run();
  await prepared.wait();
  return performance.now() - start;
}

async function sample(prepared: Prepared, seconds: number): Promise<number[]> {
  const samples: number[] = [];
  const end = performance.now() + seconds * 1000;
  for (;;) {
    samples.push(await timeOnce(prepared));
    const fewest = median(samples) > SLOW_MILLISECONDS ? FEWEST_SLOW_SAMPLES : FEWEST_SAMPLES;
    const enough = samples.length >= fewest && performance.now() > end;
    if (enough || samples.length >= MOST_SAMPLES) return samples;
  }
}

type Numbers = ReadonlyMap<string, ArrayLike<number>>;

/** Selects from the reference what a pass must give in its first and in its second run. */
function expected(reference: Numbers, pass: Pass): { first: Numbers; second: Numbers } {
  const wanted = (names: (name: string) => boolean) => new Map([...reference].filter(([name]) => names(name)));
  if (pass === 'step') {
    return { first: wanted((name) => name !== 'loss2'), second: new Map([['loss', reference.get('loss2')!]]) };
  }
  const first = pass === 'forward' ? wanted((name) => name === 'y') : reference;
  return { first, second: first };
}

/** Compares names, because an engine's bundle holds its own copy of the class. */
function isUnsupported(error: unknown): boolean {
  return error instanceof Error && error.name === new Unsupported().name;
}

/** Prepares, checks and times one row; a row with wrong numbers is not timed. */
export async function measureWith(
  engine: PeerEngine,
  workload: Workload,
  pass: Pass,
  reference: Numbers,
  seconds: number,
): Promise<RowResult> {
  const key: RowKey = { workload: workload.key, pass };
  const tolerance = pass === 'step' ? STEP_TOLERANCE : KERNEL_TOLERANCE;
  const { first, second } = expected(reference, pass);
  let prepared: Prepared | null = null;
  const broken = (found: CheckResult): RowResult => ({ ...key, status: 'broken', reason: found.message, check: found });
  try {
    prepared = await engine.prepare(workload, pass, makeInputs(workload));
    const firstCall = await timeOnce(prepared);
    const check = compareAll(await prepared.results(), first, tolerance);
    if (!check.ok) return broken(check);
    // The second run shows whether a replay is right and whether a training step updated its parameters.
    await timeOnce(prepared);
    const again = compareAll(await prepared.results(), second, tolerance);
    if (!again.ok) return broken(again);
    await timeOnce(prepared);
    const samples = await sample(prepared, seconds);
    if (pass !== 'step') {
      const last = compareAll(await prepared.results(), second, tolerance);
      if (!last.ok) return broken(last);
    }
    return { ...key, status: 'ok', firstCall, samples, median: median(samples), check };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { ...key, status: isUnsupported(error) ? 'unsupported' : 'failed', reason };
  } finally {
    prepared?.dispose?.();
  }
}

function measureRow(engine: PeerEngine, { workload: key, pass }: RowKey, seconds: number): Promise<RowResult> {
  const workload = WORKLOADS.find((one) => one.key === key);
  if (!workload) throw new Error(`there is no workload ${key}`);
  const reference = readReference(workload);
  if (!reference) throw new Error(`no reference for ${key}: run.ts works it out before it starts a child`);
  return measureWith(engine, workload, pass, reference, seconds);
}

function tell(message: ChildMessage): Promise<void> {
  return new Promise((resolve, reject) => {
    process.send!(message, undefined, undefined, (error) => (error ? reject(error) : resolve()));
  });
}

/** The whole life of an engine's process: its orders come as one JSON argument. */
export async function serve(open: () => Promise<PeerEngine>): Promise<void> {
  const order = JSON.parse(process.argv[2]) as ChildOrder;
  // The parent is gone, so nobody receives the results.
  process.once('disconnect', () => process.exit(1));
  // Some engines keep timers or threads alive, so the process exits explicitly once its rows are done.
  try {
    const engine = await open();
    await tell({ kind: 'engine', info: engine.info });
    for (const key of order.rows) {
      await tell({ kind: 'start', key });
      await tell({ kind: 'row', row: await measureRow(engine, key, order.seconds) });
    }
    await engine.close?.();
    process.exit(0);
  } catch (error) {
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    await tell({ kind: 'error', message });
    process.exit(1);
  }
}
