/** The record of what a run ran on: with its configuration, all that repeating it takes. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { arch, cpus, platform, release, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { errorCode, readIfPresent, writeFileAtomicSync } from '../../engine/node/atomic.ts';
import { dawnVersion } from '../../engine/node/optional.ts';
import { gmtlVersion } from '../../engine/node/version.ts';
import { requireJson } from './checkpointFormat.ts';
import { RUN_FILES } from './fileNames.ts';
import { parseStored } from './storedJson.ts';

/** The entries, in the order in which they are written. */
const environmentFields = {
  gmtl: z.string(),
  /** Commit of gmtl's own sources, with `-dirty` where they were changed since; null for an installed package. */
  commit: z.string().nullable(),
  node: z.string(),
  webgpu: z.string(),
  platform: z.string(),
  processor: z.string(),
  processorCount: z.number(),
  memoryBytes: z.number(),
  /** Arguments of the command line. */
  command: z.array(z.string()),
  seed: z.number(),
  /** Storage of activations: what was configured, or f32 where the adapter has no shader-f16. */
  precision: z.string(),
  startedAt: z.string(),
  /** The adapter describes itself. */
  adapter: z.looseObject({ name: z.string().optional() }),
  /** The data set: where it was read from, and its fingerprint (`summarizeDataset`). */
  data: z.looseObject({ source: z.string().optional(), sha256: z.string().optional() }).nullable(),
};
const recordedSchema = z.looseObject(environmentFields).partial();

/** What a run ran on. */
type Environment = z.infer<z.ZodObject<typeof environmentFields>>;

/** {@link Environment} as it is read back: an entry that another version did not write is absent. */
export type RecordedEnvironment = z.infer<typeof recordedSchema>;

/** The entries that only the caller knows. */
export type DescribedEnvironment = Pick<Environment, 'adapter' | 'data' | 'command' | 'seed' | 'precision'>;

/** The first record of a run; null where there is none. @throws GmtlError `run/environment` for a damaged one. */
export function readEnvironment(runFolder: string): RecordedEnvironment | null {
  const path = join(runFolder, RUN_FILES.environment);
  const text = readIfPresent(path);
  if (text === undefined) return null;
  return parseStored(recordedSchema, text, { path, code: 'run/environment', remedy: 'Restore it, or delete it.' });
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
    webgpu: dawnVersion(),
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
  let name: string = RUN_FILES.environment;
  for (let count = 2; taken.has(name); count++) name = RUN_FILES.environment.replace('.', `-${count}.`);
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
