/** A run's `config.json`: the resolved configuration, which `--config` reads too. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { GmtlError } from '../../engine/errors.ts';
import { errorCode, writeFileAtomicSync } from '../../engine/node/atomic.ts';
import { validateConfig } from '../config/resolve.ts';
import type { TrainConfig } from '../config/schema.ts';
import { RUN_FILES } from './fileNames.ts';

/** Writes the configuration, which {@link readRunConfig} reads back. */
export function writeRunConfig(runFolder: string, config: TrainConfig): void {
  writeFileAtomicSync(join(runFolder, RUN_FILES.config), `${JSON.stringify(config, null, 2)}\n`);
}

/** @throws GmtlError `run/no-config` when the folder is not a run, or as {@link validateConfig}. */
export function readRunConfig(runFolder: string): TrainConfig {
  const path = join(runFolder, RUN_FILES.config);
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
