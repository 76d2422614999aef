/** `gmtl bench compile`: compiles the kernels that training steps and the registry's cases use, in a process of its own, and reads what the compiler says. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { testCases } from '../src/engine/check/testCases.ts';
import { runCase } from '../src/engine/check/runCase.ts';
import { GmtlError } from '../src/engine/errors.ts';
import type { Dispatch, PlanTarget } from '../src/engine/gpu/kernel.ts';
import { listCalls, type ProgramCall } from '../src/engine/ops/invocations.ts';
import { ops } from '../src/engine/ops/index.ts';
import { DryBackend, DryRunEnd } from '../src/engine/ops/tapBackend.ts';
import { listStepCalls } from '../src/engine/tuning/stepCalls.ts';
import type { Precision } from '../src/retina/network/network.ts';
import { type KernelStatistics, StatisticsReader } from './radv.ts';
import { classifierWorkload } from './stepClassifier.ts';
import { presetWorkload } from './stepPreset.ts';
import type { BuildWorkload } from './stepWorkload.ts';

/** What is compiled: the two published steps, the test cases of every op in every version, or both. */
export type CompileSet = 'steps' | 'cases' | 'all';

/** A dispatch that stands for all that need the same pipeline. */
export interface KernelVariant {
  readonly dispatch: Dispatch;
  /** Constants, overrides and element formats, as the reports show them. */
  readonly settings: string;
}

/** The two steps whose plans are published (bench/stepPlan.test.ts). */
function publishedSteps(precision: Precision): BuildWorkload[] {
  const set = precision === 'f16' ? ['training.precision="f16"'] : [];
  return [
    (backend) => classifierWorkload(backend, { variant: 'tiny', batch: 32, size: 224, classes: 1000, precision }),
    (backend) => presetWorkload(backend, { preset: 'resnet-unet', batch: 8, size: 512, set }),
  ];
}

async function stepCalls(build: BuildWorkload): Promise<readonly ProgramCall[]> {
  const { calls, backend } = listStepCalls(new DryBackend());
  const workload = await build(backend);
  try {
    await workload.run(0);
  } catch (error) {
    if (!(error instanceof DryRunEnd)) throw error;
  } finally {
    workload.dispose();
  }
  return calls;
}

/** The pipelines that a set needs on a target, each once. Float16 only where the target has it. `filter`: part of the kernel's name. */
export async function kernelVariants(set: CompileSet, target: PlanTarget, filter = ''): Promise<KernelVariant[]> {
  const variants = new Map<string, KernelVariant>();
  const half = target.features.has('shader-f16');
  const add = (calls: readonly ProgramCall[], everyVersion: boolean): void => {
    for (const { program, inputs, outputs, attributes } of calls) {
      for (const version of [undefined, ...(everyVersion ? (program.versions ?? []) : [])]) {
        for (const dispatch of program.plan(inputs, outputs, attributes, target, version)?.dispatches ?? []) {
          const { kernel, overrides, constants, storage, result, width } = dispatch;
          if (!kernel.name.includes(filter)) continue;
          if (!half && (storage || result)) continue;
          const settings = JSON.stringify({ ...constants, ...overrides, storage, result, width });
          variants.set(`${kernel.name} ${settings}`, { dispatch, settings });
        }
      }
    }
  };
  if (set !== 'cases') {
    for (const precision of half ? (['f32', 'f16'] as const) : (['f32'] as const)) {
      for (const build of publishedSteps(precision)) add(await stepCalls(build), false);
    }
  }
  if (set !== 'steps') {
    for (const op of ops) {
      for (const testCase of testCases(op)) {
        add(
          listCalls(new DryBackend(), (backend) => void runCase(op, testCase, backend, null)),
          true,
        );
      }
    }
  }
  return [...variants.values()];
}

/** What the process is given: `adapter` as `openAdapter` takes it. */
export interface CompileRequest {
  readonly adapter: string;
  readonly set: CompileSet;
  readonly filter: string;
}

/** One pipeline that was compiled. */
export interface CompiledVariant {
  readonly kernel: string;
  readonly settings: string;
  readonly milliseconds: number;
  readonly error: string | null;
}

/** What the process prints to standard output when it is done. */
export interface CompileAnswer {
  readonly adapter: string;
  /** The driver and the device that it compiles for. */
  readonly compiler: string;
  readonly kind: string;
  readonly rows: readonly CompiledVariant[];
}

/** A row with what RADV says of the machine code, null on other drivers. */
export interface CompileRow extends CompiledVariant {
  readonly statistics: KernelStatistics | null;
}

export interface CompileBench extends CompileAnswer {
  readonly set: CompileSet;
  readonly rows: readonly CompileRow[];
  readonly seconds: number;
}

/** Comes before what the driver says of a row: its number, how many there are, its kernel. */
export const ROW_MARK = 'gmtl-compile-row ';

/** The built process, from the sources (in tests) too. @throws GmtlError `bench/not-built`. */
function processPath(): string {
  for (const candidate of ['./compileProcess.js', '../dist/bench/compileProcess.js']) {
    const path = fileURLToPath(new URL(candidate, import.meta.url));
    if (existsSync(path)) return path;
  }
  throw new GmtlError('bench/not-built', 'bench/compileProcess is not built: run `npm run build` first');
}

/**
 * Compiles in a child process, so that a driver that crashes is reported, and reads RADV's statistics from its standard error.
 * @throws GmtlError `bench/compile` where the process dies.
 */
export async function benchCompile(
  request: CompileRequest,
  environment: Readonly<Record<string, string>> = {},
  onRow: (done: number, total: number, kernel: string) => void = () => {},
): Promise<CompileBench> {
  const start = performance.now();
  // RADV prints each shader's machine code and statistics; other drivers do not know the variable.
  const env = { ...process.env, RADV_DEBUG: 'asm,shaderstats,nocache', ...environment };
  const child = spawn(process.execPath, [processPath(), JSON.stringify(request)], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const reader = new StatisticsReader();
  const statistics: (KernelStatistics | null)[] = [];
  const other: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => {
    if (line.startsWith(ROW_MARK)) {
      const [done, total, kernel] = line.slice(ROW_MARK.length).split(' ');
      onRow(Number(done), Number(total), kernel);
      statistics.push(reader.take());
    } else if (!reader.read(line) && other.length < 2000) {
      other.push(line);
    }
  });
  let answer = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    answer += text;
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  if (code !== 0) {
    throw new GmtlError(
      'bench/compile',
      `the compiling process ended with ${code} after ${statistics.length} kernels:\n${other.slice(-12).join('\n')}`,
    );
  }
  statistics.push(reader.take());
  const { rows, ...about } = JSON.parse(answer) as CompileAnswer;
  return {
    ...about,
    set: request.set,
    // A mark stands before its row, so the first entry is what came before all rows.
    rows: rows.map((row, index) => ({ ...row, statistics: statistics[index + 1] ?? null })),
    seconds: (performance.now() - start) / 1000,
  };
}
