/** The record of what a run ran on: with its configuration, all that repeating it takes. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { arch, cpus, platform, release, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { errorCode, writeFileAtomicSync } from '../../engine/node/atomic.ts';
import { type JsonValue, requireJson } from './checkpointFormat.ts';
import { gmtlVersion } from '../../engine/node/version.ts';

/** What a run ran on. The adapter and the data describe themselves. */
export interface Environment {
  readonly gmtl: string;
  /** Commit of gmtl's own sources, with `-dirty` where they were changed since; null for an installed package. */
  readonly commit: string | null;
  readonly node: string;
  readonly webgpu: string;
  readonly platform: string;
  readonly processor: string;
  readonly processorCount: number;
  readonly memoryBytes: number;
  /** Arguments of the command line. */
  readonly command: readonly string[];
  readonly seed: number;
  /** Storage of activations: what was configured, or f32 where the adapter has no shader-f16. */
  readonly precision: string;
  readonly startedAt: string;
  readonly adapter: JsonValue;
  readonly data: JsonValue;
}

export interface DescribedEnvironment {
  readonly adapter: JsonValue;
  readonly data: JsonValue;
  readonly command: readonly string[];
  readonly seed: number;
  readonly precision: string;
}

/**
 * Writes `environment.json`. A resumed run keeps the first record and gets `environment-2.json` and so on.
 * @returns the path written.
 */
export function writeEnvironment(runFolder: string, described: DescribedEnvironment): string {
  const { adapter, data, command, seed, precision } = described;
  requireJson(adapter, 'environment adapter');
  requireJson(data, 'environment data');
  const environment: Environment = {
    gmtl: gmtlVersion(),
    commit: sourceCommit(),
    node: process.versions.node,
    webgpu: packageVersion('webgpu'),
    platform: `${platform()} ${release()} ${arch()}`,
    processor: cpus()[0]?.model ?? 'unknown',
    processorCount: cpus().length,
    memoryBytes: totalmem(),
    command,
    seed,
    precision,
    startedAt: new Date().toISOString(),
    adapter,
    data,
  };
  const taken = new Set(readdirSync(runFolder));
  let name = 'environment.json';
  for (let count = 2; taken.has(name); count++) name = `environment-${count}.json`;
  const path = join(runFolder, name);
  writeFileAtomicSync(path, `${JSON.stringify(environment, null, 2)}\n`);
  return path;
}

/** Only where gmtl itself is a clone: a package within another project's repository is not of that project's commit. */
function sourceCommit(): string | null {
  let root = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(root, 'package.json')) && root !== dirname(root)) root = dirname(root);
  if (!existsSync(join(root, '.git'))) return null;
  try {
    const words = ['-C', root, 'describe', '--always', '--dirty', '--abbrev=40', '--exclude=*'];
    return execFileSync('git', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch (error) {
    // A clone without git beside it, or one that git refuses to read, has no commit to name.
    if (errorCode(error) !== undefined || (error instanceof Error && 'status' in error)) return null;
    throw error;
  }
}

function packageVersion(name: string): string {
  const { version } = createRequire(import.meta.url)(`${name}/package.json`) as { version: string };
  return version;
}
