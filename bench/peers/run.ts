/**
 * Measures gmtl beside the engines that a user might pick instead, each in processes of its own on the same adapter:
 * `npm ci --ignore-scripts --prefix bench/peers && node dist/bench/peers/run.js`. See bench/peers/README.md.
 */
import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { makeFolders, writeFileAtomicSync } from '../../src/engine/node/atomic.ts';
import type { ChildMessage, ChildOrder, RowKey, RowResult } from './protocol.ts';
import { PACKAGE_FOLDER, provideReference } from './reference.ts';
import { compareRuns, type EngineColumn, type EngineRun, formatComparison } from './summary.ts';
import { rowTitle, WORKLOADS } from './workloads.ts';

interface EngineSetup extends EngineColumn {
  /** Path relative to the package's folder. */
  readonly module: string;
  readonly arguments?: readonly string[];
  /** Whether it must be bundled first. */
  readonly bundled?: boolean;
}

/** In the order of the table's columns. */
const ENGINES: readonly EngineSetup[] = [
  { name: 'gmtl', title: 'gmtl', role: 'self', module: 'dist/bench/peers/engines/gmtl.js' },
  {
    name: 'gmtl-eager',
    title: 'gmtl eager',
    role: 'shown',
    module: 'dist/bench/peers/engines/gmtl.js',
    arguments: ['eager'],
  },
  { name: 'jax-js', title: 'jax-js WebGPU', role: 'rival', module: 'bench/peers/engines/jax-js.mjs' },
  {
    name: 'tfjs-webgpu',
    title: 'tfjs WebGPU',
    role: 'rival',
    module: 'bench/peers/engines/tfjs-webgpu.mjs',
    bundled: true,
  },
  { name: 'ort-web', title: 'ORT web WebGPU', role: 'rival', module: 'bench/peers/engines/ort-web.mjs' },
  {
    name: 'tfjs-wasm',
    title: 'tfjs wasm (CPU)',
    role: 'shown',
    module: 'bench/peers/engines/tfjs-wasm.mjs',
    bundled: true,
  },
  { name: 'ort-node', title: 'ORT node (CPU)', role: 'shown', module: 'bench/peers/engines/ort-node.mjs' },
];

/** The file that `--json` writes. */
interface ResultFile {
  readonly date: string;
  readonly machine: Readonly<Record<string, string>>;
  readonly settings: Readonly<Record<string, number>>;
  readonly runs: readonly EngineRun[];
}

function readResults(path: string): ResultFile {
  let reason = 'it has no list "runs" (torch.py writes another table)';
  try {
    const result = JSON.parse(readFileSync(path, 'utf8')) as Partial<ResultFile>;
    if (Array.isArray(result.runs)) return result as ResultFile;
  } catch (cause) {
    reason = cause instanceof Error ? cause.message : String(cause);
  }
  note(`${path} holds no results of this program: ${reason}. Give --show and --merge a file that --json wrote.`);
  process.exit(1);
}

function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

function describeRow(row: RowResult): string {
  if (row.status !== 'ok') return `${row.status}: ${row.reason}`;
  const { median = 0, firstCall = 0, samples = [] } = row;
  return `${median.toFixed(2)} ms (first ${firstCall.toFixed(0)}, ${samples.length} samples)`;
}

interface ChildOutcome {
  readonly info: Readonly<Record<string, string>>;
  readonly rows: readonly RowResult[];
}

/** Runs one child until it has done its rows, died, or taken longer than `limit` seconds for one of them. */
function runChild(setup: EngineSetup, order: ChildOrder, limit: number): Promise<ChildOutcome> {
  return new Promise((resolve) => {
    const rows: RowResult[] = [];
    let info: Readonly<Record<string, string>> = {};
    let current: RowKey | null = null;
    let failure = '';
    let late = false;
    let timer: NodeJS.Timeout | undefined;
    const child: ChildProcess = fork(
      join(PACKAGE_FOLDER, setup.module),
      [JSON.stringify(order), ...(setup.arguments ?? [])],
      // Whatever engines print is discarded: it does not belong in the table.
      { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] },
    );
    let errors = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      errors = (errors + chunk.toString()).slice(-2000);
    });
    const watch = () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        late = true;
        child.kill('SIGKILL');
      }, limit * 1000);
    };
    watch();
    child.on('message', (message: ChildMessage) => {
      watch();
      if (message.kind === 'engine') info = message.info;
      else if (message.kind === 'start') current = message.key;
      else if (message.kind === 'error') failure = message.message;
      else {
        rows.push(message.row);
        current = null;
        const workload = WORKLOADS.find(({ key }) => key === message.row.workload)!;
        note(`  ${setup.title}, ${rowTitle(workload, message.row.pass)}: ${describeRow(message.row)}`);
      }
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (rows.length < order.rows.length) {
        const key = current ?? order.rows[rows.length];
        const reason = late
          ? `not done after ${limit} s`
          : failure || `its process ended with ${signal ?? code}: ${errors.trim().split('\n').at(-1) ?? ''}`;
        note(`  ${setup.title}, ${key.workload} ${key.pass}: ${reason}`);
        rows.push({ ...key, status: late ? 'timeout' : 'failed', reason: reason.split('\n')[0] });
      }
      resolve({ info, rows });
    });
  });
}

/** Runs all rows of one engine; when a child dies, another continues after the row that killed it. */
async function runEngine(setup: EngineSetup, order: ChildOrder, limit: number, repeat: number): Promise<EngineRun> {
  let info: Readonly<Record<string, string>> = {};
  const rows: RowResult[] = [];
  while (rows.length < order.rows.length) {
    const outcome = await runChild(setup, { ...order, rows: order.rows.slice(rows.length) }, limit);
    if (Object.keys(outcome.info).length > 0) info = outcome.info;
    rows.push(...outcome.rows);
  }
  return { engine: setup.name, repeat, info, rows };
}

function versionOf(name: string, folder: string): string {
  return JSON.parse(readFileSync(join(PACKAGE_FOLDER, folder, 'node_modules', name, 'package.json'), 'utf8')).version;
}

/** The version of gmtl that is measured, with its commit where the package has its git history. */
function ownVersion(): string {
  const { version } = JSON.parse(readFileSync(join(PACKAGE_FOLDER, 'package.json'), 'utf8')) as { version: string };
  try {
    const stdio: ['ignore', 'pipe', 'ignore'] = ['ignore', 'pipe', 'ignore'];
    const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: PACKAGE_FOLDER, stdio });
    return `${version} (${commit.toString().trim()})`;
  } catch {
    return version;
  }
}

function adapterOf(runs: readonly EngineRun[]): string {
  return runs.find(({ info }) => info.adapter)?.info.adapter ?? 'unknown';
}

function describeMachine(runs: readonly EngineRun[]): Record<string, string> {
  return {
    adapter: adapterOf(runs),
    gmtl: ownVersion(),
    node: process.version,
    webgpu: versionOf('webgpu', '.'),
    platform: `${process.platform}-${process.arch}`,
    cpu: `${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}`,
  };
}

/** Rows measured anew replace older ones of the same engine. */
function replaceRows(before: readonly EngineRun[], now: readonly EngineRun[]): EngineRun[] {
  const fresh = (engine: string, key: RowKey) =>
    now.some(
      (run) => run.engine === engine && run.rows.some((r) => r.workload === key.workload && r.pass === key.pass),
    );
  const kept = before
    .map((run) => ({ ...run, rows: run.rows.filter((row) => !fresh(run.engine, row)) }))
    .filter(({ rows }) => rows.length > 0);
  return [...kept, ...now];
}

/** Joins what the file held with what was measured now; refuses rows that cannot be compared. */
function joinResults(before: ResultFile, now: ResultFile, how: 'replace' | 'add'): ResultFile {
  const adapters = new Set([...before.runs, ...now.runs].flatMap(({ info }) => info.adapter ?? []));
  if (adapters.size > 1) {
    throw new Error(
      `rows of several adapters cannot be compared, use another --json file: ${[...adapters].join(' | ')}`,
    );
  }
  if (how === 'replace') return { ...now, runs: replaceRows(before.runs, now.runs) };
  if (before.machine.gmtl !== now.machine.gmtl) {
    throw new Error(`--merge add: the file is of gmtl ${before.machine.gmtl}, this is ${now.machine.gmtl}`);
  }
  const done = Math.max(0, ...before.runs.map(({ repeat }) => repeat));
  return { ...now, runs: [...before.runs, ...now.runs.map((run) => ({ ...run, repeat: done + run.repeat }))] };
}

const options = await yargs(hideBin(process.argv))
  .usage('$0 [options]\n\nMeasures gmtl beside other engines on the same adapter. GMTL_ADAPTER chooses it.')
  .option('only', { type: 'string', describe: `engines, with commas: ${ENGINES.map(({ name }) => name).join(', ')}` })
  .option('workloads', {
    type: 'string',
    describe: 'only workloads whose key or title contains one of these, with commas',
  })
  .option('pass', { choices: ['forward', 'both', 'step'] as const, describe: 'only this pass' })
  .option('repeats', { type: 'number', default: 2, describe: 'processes of each engine, one after another' })
  .option('seconds', { type: 'number', default: 2, describe: 'time for the samples of a row' })
  .option('limit', { type: 'number', default: 300, describe: 'seconds after which a row is given up' })
  .option('json', { type: 'string', describe: 'write all samples to this file' })
  .option('merge', {
    choices: ['replace', 'add'] as const,
    describe: 'keep what --json holds: replace the rows measured now, or add them as further repeats',
  })
  .option('show', { type: 'string', describe: 'measure nothing: print the tables of this file' })
  .option('fresh-references', { type: 'boolean', default: false, describe: 'work the references out anew' })
  .strict()
  .parse();

/** Measures all engines. Passes the results so far to `save` after each process, so that an interrupted run keeps them. */
async function measure(save: (result: ResultFile) => void): Promise<ResultFile> {
  const names = options.only?.split(',').map((name) => name.trim());
  const unknown = names?.find((name) => !ENGINES.some((engine) => engine.name === name));
  if (unknown !== undefined) throw new Error(`--only: there is no engine ${unknown}`);
  const engines = ENGINES.filter(({ name }) => names?.includes(name) ?? true);
  const texts = (options.workloads ?? '').toLowerCase().split(',');
  const workloads = WORKLOADS.filter(({ key, title }) =>
    texts.some((text) => `${key} ${title.toLowerCase()}`.includes(text)),
  );
  const rows: RowKey[] = workloads.flatMap(({ key, passes }) =>
    passes.filter((pass) => !options.pass || options.pass === pass).map((pass) => ({ workload: key, pass })),
  );
  if (rows.length === 0) throw new Error(`no workload contains "${options.workloads}"`);
  const peers = engines.some(({ name }) => !name.startsWith('gmtl'));
  if (peers && !existsSync(join(PACKAGE_FOLDER, 'bench/peers/node_modules'))) {
    throw new Error('the other engines are not installed: npm ci --ignore-scripts --prefix bench/peers');
  }
  for (const workload of workloads) {
    note(`reference of ${workload.title}`);
    await provideReference(workload, options.freshReferences);
  }
  const bundles = engines.filter(({ bundled }) => bundled).map(({ name }) => name);
  if (bundles.length > 0) execFileSync(process.execPath, [join(PACKAGE_FOLDER, 'bench/peers/bundle.mjs'), ...bundles]);
  const runs: EngineRun[] = [];
  const result = (): ResultFile => ({
    date: new Date().toISOString(),
    machine: describeMachine(runs),
    settings: { repeats: options.repeats, seconds: options.seconds },
    runs,
  });
  for (let repeat = 1; repeat <= options.repeats; repeat++) {
    for (const engine of engines) {
      note(`${engine.title}, ${repeat} of ${options.repeats}`);
      runs.push(await runEngine(engine, { rows, seconds: options.seconds }, options.limit, repeat));
      save(result());
    }
  }
  return result();
}

const { json, merge, show } = options;
const before = json && merge && !show && existsSync(json) ? readResults(json) : null;
const joined = (now: ResultFile) => (before && merge ? joinResults(before, now, merge) : now);

function save(now: ResultFile): void {
  if (!json) return;
  makeFolders(dirname(json));
  writeFileAtomicSync(json, `${JSON.stringify(joined(now), null, 1)}\n`);
}

const result = show ? readResults(show) : joined(await measure(save));
process.stdout.write(`Adapter: ${adapterOf(result.runs)}\n\n${formatComparison(compareRuns(ENGINES, result.runs))}`);
