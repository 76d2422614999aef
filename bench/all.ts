/** `gmtl bench all`: every measurement of an adapter in one folder, each in a process of its own; what fails is recorded and the rest goes on. */
import { spawn, spawnSync } from 'node:child_process';
import { createWriteStream, existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GmtlError } from '../src/engine/errors.ts';
import { makeWritableFolder, readIfPresent } from '../src/engine/node/atomic.ts';
import { gmtlVersion } from '../src/engine/node/version.ts';
import { requireOwn, writeOwn } from '../src/retina/report/ownFiles.ts';

/** One measurement: a program and its words, in the package's folder. */
export interface Part {
  readonly name: string;
  readonly words: readonly string[];
  /** Seconds after which it is stopped. */
  readonly limit: number;
  /** Variables on top of those of the process. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Why it cannot run here. */
  readonly missing?: string | undefined;
}

/** How a part ended. `stopped`: it reached its limit; `late`: the time of all parts was used up before it. */
export type PartStatus = 'ok' | 'failed' | 'stopped' | 'missing' | 'late';

export interface PartResult {
  readonly name: string;
  readonly status: PartStatus;
  readonly seconds: number;
  readonly words: readonly string[];
  /** Exit status, signal or reason, of what is not ok. */
  readonly why: string | null;
}

export interface AllOptions {
  readonly folder: string;
  readonly adapter: string;
  /** Minutes that all parts together may take. */
  readonly minutes: number;
  /** Small networks and few samples: to try the command out. */
  readonly short: boolean;
}

/** What results.json holds. */
interface Summary {
  readonly gmtl: string;
  readonly adapter: string;
  readonly short: boolean;
  readonly parts: readonly PartResult[];
}

/** The package's folder: above this file, from the sources or from dist. */
function packageFolder(): string {
  const here = fileURLToPath(new URL('..', import.meta.url));
  return existsSync(join(here, 'package.json')) ? here : join(here, '..');
}

/** Brings Dawn's bounds checks back. */
const CHECKED = { GMTL_DAWN_TOGGLES: '-disable_robustness' };

/** Why PyTorch's rows cannot be run. */
function missingForTorch(program: string): string | undefined {
  if (!existsSync(program)) return 'bench/peers is in the repository, not in the package';
  const find = "import importlib.util, sys; sys.exit(importlib.util.find_spec('torch') is None)";
  return spawnSync('python3', ['-c', find]).status === 0 ? undefined : 'PyTorch is not installed for python3';
}

/** The parts in their order: first whether it computes right, then what decides the kernels, then the figures, then others beside it. */
function partsOf({ folder, adapter, short }: AllOptions): Part[] {
  const root = packageFolder();
  const file = (name: string): string => join(folder, `${name}.json`);
  const gmtl = (...words: string[]): string[] => [process.execPath, join(root, 'dist/cli/main.js'), ...words];
  const here = ['--adapter', adapter];
  const step = (name: string, ...words: string[]): Part => ({
    name,
    words: gmtl(
      'bench',
      'step',
      ...words,
      '--calls',
      '--json',
      file(name),
      ...here,
      ...(short ? ['--steps', '2'] : []),
    ),
    limit: 150,
  });
  const convnext = short
    ? ['--model', 'atto', '--batch', '2', '--size', '32']
    : ['--model', 'tiny', '--batch', '32', '--size', '224'];
  const unet = [
    '--preset',
    short ? 'resnet-unet-small' : 'resnet-unet',
    '--batch',
    '8',
    '--size',
    short ? '32' : '512',
  ];
  const tests = join(root, 'kernels-test');
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const rows = short ? ['--filter', 'gelu'] : [];
  const kernels = (precision: string): Part => ({
    name: `kernels-${precision}`,
    words: gmtl(
      'bench',
      'kernels',
      '--precision',
      precision,
      '--json',
      file(`kernels-${precision}`),
      ...rows,
      ...here,
      ...(short ? ['--seconds', '0.05'] : ['--seconds', '0.1']),
    ),
    limit: 180,
  });
  const workload = short ? ['--workloads', 'gelu', '--seconds', '0.2'] : [];
  return [
    { name: 'doctor', words: gmtl('doctor', '--debug', ...here), limit: 60 },
    {
      name: 'tests',
      words: [process.execPath, vitest, 'run', ...(short ? ['kernels-test/gradientAddend.test.ts'] : ['kernels-test'])],
      limit: 300,
      missing:
        existsSync(tests) && existsSync(vitest)
          ? undefined
          : 'the kernel tests are in the repository, not in the package',
    },
    {
      name: 'compile',
      words: gmtl(
        'bench',
        'compile',
        '--kernels',
        'steps',
        '--json',
        file('compile'),
        ...(short ? ['--filter', 'Tile'] : []),
        ...here,
      ),
      limit: 90,
    },
    { name: 'tune', words: gmtl('tune', ...convnext, ...here, ...(short ? ['--seconds', '0.02'] : [])), limit: 180 },
    step('step-convnext', ...convnext),
    step('step-convnext-f16', ...convnext, '--precision', 'f16'),
    // The same steps with Dawn's bounds checks say what these would cost here.
    { ...step('step-convnext-checked', ...convnext), environment: CHECKED },
    step('step-unet', ...unet),
    { ...step('step-unet-checked', ...unet), environment: CHECKED },
    step('step-unet-f16', ...unet, '--precision', 'f16'),
    ...(short ? [] : [step('step-resnet50', '--model', 'resnet50', '--batch', '4', '--size', '224')]),
    kernels('f32'),
    kernels('f16'),
    {
      name: 'peers',
      words: [process.execPath, join(root, 'dist/bench/peers/run.js'), '--json', file('peers'), ...workload],
      limit: 300,
      missing: existsSync(join(root, 'bench/peers/node_modules'))
        ? undefined
        : 'the other engines are not installed: npm ci --ignore-scripts --prefix bench/peers',
    },
    {
      name: 'torch',
      words: ['python3', join(root, 'bench/peers/torch.py'), '--json', file('torch'), ...workload],
      limit: 180,
      missing: missingForTorch(join(root, 'bench/peers/torch.py')),
    },
  ];
}

/** Runs a part; its output goes to `<name>.txt` in the folder. */
async function runPart(part: Part, seconds: number, { folder, adapter }: AllOptions): Promise<PartResult> {
  const { name, words, missing } = part;
  const about = { name, words };
  if (missing !== undefined) return { ...about, status: 'missing', seconds: 0, why: missing };
  if (seconds < 5) return { ...about, status: 'late', seconds: 0, why: 'no time was left' };
  const limit = Math.min(part.limit, seconds);
  const start = performance.now();
  const log = createWriteStream(join(folder, `${name}.txt`));
  const [program, ...rest] = words;
  // A group of its own, so that what a part has started ends with it.
  const child = spawn(program, rest, {
    cwd: packageFolder(),
    // What is tuned serves the parts that follow, and nothing outside of the folder.
    env: {
      ...process.env,
      GMTL_ADAPTER: adapter,
      GMTL_CACHE_DIR: join(folder, 'cache'),
      NO_COLOR: '1',
      ...part.environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  child.stdout.pipe(log, { end: false });
  child.stderr.pipe(log, { end: false });
  let stopped = false;
  const timer = setTimeout(() => {
    stopped = true;
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  }, limit * 1000);
  const ended = await new Promise<string | null>((resolve) => {
    child.on('error', ({ message }) => resolve(message));
    child.on('close', (code, signal) =>
      resolve(code === 0 ? null : signal ? `ended by ${signal}` : `exit status ${code}`),
    );
  });
  clearTimeout(timer);
  await new Promise((resolve) => log.end(resolve));
  const took = (performance.now() - start) / 1000;
  const why = stopped ? `stopped after ${limit.toFixed(0)} s` : ended;
  return { ...about, status: stopped ? 'stopped' : why === null ? 'ok' : 'failed', seconds: took, why };
}

function readSummary(path: string): Summary | null {
  const text = readIfPresent(path);
  return text === undefined ? null : (JSON.parse(text) as Summary);
}

/** The last line of what a part printed. */
async function lastLine(folder: string, name: string): Promise<string> {
  const text = await readFile(join(folder, `${name}.txt`), 'utf8').catch(() => '');
  return text.trimEnd().split('\n').at(-1)?.slice(0, 160) ?? '';
}

/** The table for people, as Markdown. */
async function summaryText(summary: Summary, folder: string): Promise<string> {
  const lines = await Promise.all(
    summary.parts.map(async ({ name, status, seconds, why }) => {
      const printed = status === 'failed' || status === 'stopped' ? `; last line: ${await lastLine(folder, name)}` : '';
      return `| ${name} | ${status} | ${seconds.toFixed(0)} | ${`${why ?? ''}${printed}`.replaceAll('|', '/')} |`;
    }),
  );
  const doctor = await readFile(join(folder, 'doctor.txt'), 'utf8').catch(() => '');
  const chosen = doctor.split('\nChosen\n')[1]?.split('\n\n')[0] ?? '  (doctor did not say)';
  return [
    `# gmtl ${summary.gmtl}, every measurement${summary.short ? ', short settings: no figure to publish' : ''}`,
    '',
    `${cpus()[0]?.model ?? 'unknown processor'}, ${cpus().length} processors, Node ${process.version}.`,
    '',
    '```',
    chosen,
    '```',
    '',
    '| part | status | seconds | what was wrong |',
    '| --- | --- | --- | --- |',
    ...lines,
    '',
    'A part printed `<part>.txt`; most wrote `<part>.json`. The command again goes on with what is not ok.',
    '',
  ].join('\n');
}

/**
 * Runs the parts that are not done yet. Everything goes to `folder`, which another call with the same adapter and settings goes on with.
 * @returns the results of all parts.
 * @throws GmtlError `bench/all` for a folder of another adapter or of other settings; `io/exists` for results that no such call wrote.
 */
export async function benchAll(
  options: AllOptions,
  onPart: (text: string) => void,
  parts: readonly Part[] = partsOf(options),
): Promise<readonly PartResult[]> {
  const { folder, adapter, minutes, short } = options;
  makeWritableFolder(folder);
  const path = join(folder, 'results.json');
  const page = join(folder, 'summary.md');
  requireOwn([path, page], 'bench');
  const before = readSummary(path);
  const same = before?.adapter === adapter && before.short === short && before.gmtl === gmtlVersion();
  if (before && !same) {
    throw new GmtlError(
      'bench/all',
      `${folder} holds results of gmtl ${before.gmtl} on adapter ${before.adapter}${before.short ? ', short' : ''}: choose another folder`,
    );
  }
  const deadline = performance.now() + minutes * 60_000;
  const results = new Map(before?.parts.map((result) => [result.name, result]));
  for (const [index, part] of parts.entries()) {
    if (results.get(part.name)?.status === 'ok') continue;
    onPart(`${index + 1}/${parts.length} ${part.name}`);
    const result = await runPart(part, (deadline - performance.now()) / 1000, options);
    results.set(part.name, result);
    onPart(`  ${result.status}, ${result.seconds.toFixed(0)} s${result.why ? `: ${result.why}` : ''}`);
    const ordered = parts.flatMap(({ name }) => results.get(name) ?? []);
    const summary: Summary = { gmtl: gmtlVersion(), adapter, short, parts: ordered };
    await writeOwn(path, `${JSON.stringify(summary, null, 1)}\n`, 'bench');
    await writeOwn(page, await summaryText(summary, folder), 'bench');
  }
  return parts.flatMap(({ name }) => results.get(name) ?? []);
}
