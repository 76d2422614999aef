/** The folder of one training run: its name and its configuration. */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { GmtlError } from '../../engine/errors.ts';
import { describeWriteError, errorCode, writeFileAtomicSync } from '../../engine/node/atomic.ts';
import { CHECKPOINT_FOLDER } from './checkpoint.ts';
import { type TrainConfig, validateConfig } from '../config/resolve.ts';

export { acquireRunLock, type RunLock } from './lock.ts';

export interface RunFolder {
  readonly path: string;
  readonly checkpoints: string;
}

/**
 * Creates a run folder: `<root>/<date-time>-<preset>`, made unique, or exactly `folder` where one is given.
 * @param options.now local time is used; default the present.
 * @throws GmtlError `run/exists` when `folder` exists and is not empty, or as {@link describeWriteError}.
 */
export function createRunFolder(options: {
  readonly root?: string;
  readonly preset?: string;
  readonly folder?: string;
  readonly now?: Date;
}): RunFolder {
  const path = options.folder === undefined ? createUnique(options) : createExactly(options.folder);
  const checkpoints = join(path, CHECKPOINT_FOLDER);
  mkdirSync(checkpoints);
  return { path, checkpoints };
}

/** Writes `config.json`, which {@link readRunConfig} and `--config` read back. */
export function writeRunConfig(runFolder: string, config: TrainConfig): void {
  writeFileAtomicSync(join(runFolder, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
}

/** @throws GmtlError `run/no-config` when the folder is no run, or as {@link validateConfig}. */
export function readRunConfig(runFolder: string): TrainConfig {
  const path = join(runFolder, 'config.json');
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    if (errorCode(cause) === undefined) throw cause;
    throw new GmtlError('run/no-config', `${runFolder}: no run folder, or one without config.json. Check the path.`, {
      cause,
    });
  }
  let values: unknown;
  try {
    values = JSON.parse(text);
  } catch (cause) {
    throw new GmtlError('run/no-config', `${path}: no valid JSON (${(cause as Error).message})`, { cause });
  }
  return validateConfig(values, path);
}

function createUnique(options: { readonly root?: string; readonly preset?: string; readonly now?: Date }): string {
  const root = options.root ?? 'runs';
  const stem = [timeStamp(options.now ?? new Date()), options.preset].filter((part) => part !== undefined).join('-');
  try {
    mkdirSync(root, { recursive: true });
    for (let count = 1; ; count++) {
      const path = join(root, count === 1 ? stem : `${stem}-${count}`);
      // mkdir itself is the test: two runs started in the same second cannot both succeed.
      if (tryMakeFolder(path)) return path;
    }
  } catch (error) {
    throw describeWriteError(error, root);
  }
}

function createExactly(path: string): string {
  try {
    mkdirSync(path, { recursive: true });
    if (readdirSync(path).length === 0) return path;
  } catch (error) {
    throw describeWriteError(error, path);
  }
  throw new GmtlError(
    'run/exists',
    `${path}: the folder is not empty, and a run never overwrites. Resume the run in it, or choose another folder.`,
  );
}

function tryMakeFolder(path: string): boolean {
  try {
    mkdirSync(path);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Local time as `2026-01-31_09-05-59`: sorts by time, and has no character that a file system refuses. */
export function timeStamp(now: Date): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const date = [now.getFullYear(), two(now.getMonth() + 1), two(now.getDate())].join('-');
  return `${date}_${[now.getHours(), now.getMinutes(), now.getSeconds()].map(two).join('-')}`;
}
