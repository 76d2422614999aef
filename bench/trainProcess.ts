/** Starts `gmtl` as a child process, for tests and benchmarks of the built command line. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { GmtlError } from '../src/engine/errors.ts';

/** Settings of a network and batch so small that a step takes milliseconds and starting takes little more than the process itself. */
export const TINY_SETTINGS: readonly string[] = [
  'model.trunk={"depths":[1,1,1,1],"dims":[4,4,8,8]}',
  'model.decoderChannels=[4,4,4,4]',
  'model.gateHidden=4',
  'model.retinopathyHidden=4',
  'model.edemaHidden=4',
  'data.imageSize=32',
  'data.segmentationPerBatch=1',
  'data.classificationPerBatch=1',
];

function cliPath(): string {
  // This file runs from the sources (in tests) and from dist.
  for (const candidate of ['../cli/main.js', '../dist/cli/main.js']) {
    const path = fileURLToPath(new URL(candidate, import.meta.url));
    if (existsSync(path)) return path;
  }
  throw new GmtlError('bench/not-built', 'the command line is not built: run `npm run build` first');
}

/** A `gmtl` process under way. */
export interface TrainProcess {
  readonly child: ChildProcess;
  /** Everything it printed so far, both streams. */
  output(): string;
  /** Resolves once `text` was printed, or with false when the process ended without it. */
  printed(text: string): Promise<boolean>;
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
}

/** A program that starts `gmtl` in its place, with its own options and variables, such as mpirun. */
export interface LauncherCommand {
  readonly words: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * Starts `gmtl` with `words` as a child process, or through a launcher. Launchers form a process group of their own, as a terminal's commands
 * do. Throws `bench/not-built` where dist is missing.
 */
export function startGmtl(words: readonly string[], cwd: string, launcher?: LauncherCommand): TrainProcess {
  const [program, ...rest] = [...(launcher?.words ?? []), process.execPath, cliPath(), ...words];
  const env = { ...process.env, ...launcher?.environment };
  const child = spawn(program, rest, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: launcher !== undefined });
  let output = '';
  let over = false;
  const waiting = new Set<() => void>();
  const wake = (): void => {
    for (const check of [...waiting]) check();
  };
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      wake();
    });
  }
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      over = true;
      wake();
      resolve({ code, signal });
    });
  });
  const printed = (text: string): Promise<boolean> =>
    new Promise((resolve) => {
      const check = (): void => {
        if (!output.includes(text) && !over) return;
        waiting.delete(check);
        resolve(output.includes(text));
      };
      waiting.add(check);
      check();
    });
  return { child, output: () => output, printed, ended };
}
