/** Finds the trained weights that inference is to use, with the configuration they were trained under. */
import { checkAttributes } from '../../engine/arguments.ts';
import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { GmtlError } from '../../engine/errors.ts';
import { errorCode } from '../../engine/node/atomic.ts';
import type { StoredTensors } from '../../engine/io/safetensors.ts';
import { readConfigFile } from '../config/file.ts';
import { validateConfig } from '../config/resolve.ts';
import type { TrainConfig } from '../config/schema.ts';
import { loadCheckpoint } from './checkpoint.ts';
import { Checkpoints, type WeightsKind, weightsOf } from './checkpoints.ts';

/** Weights and what is needed to use them. */
export interface TrainedWeights {
  /** The file they came from. */
  readonly path: string;
  readonly config: TrainConfig;
  readonly weights: StoredTensors;
  /** True: the moving average of the weights. */
  readonly averaged: boolean;
  /** Optimizer steps done; undefined for a bare weights file. */
  readonly step: number | undefined;
}

/**
 * Reads the weights of a run and the configuration they were trained under, on the host: `openPredictor` takes them.
 *
 * @param path a run folder (its `best` checkpoint, else `last`), a checkpoints folder, a manifest, or a bare .safetensors file.
 * @param configFile JSON configuration, for a bare .safetensors file and only there: a manifest carries its own.
 * @param kind `average` takes the moving average where the checkpoint has one.
 * @throws GmtlError `infer/no-config` for bare weights without a configuration, `cli/usage` for a configuration too many, or as
 * `loadCheckpoint`, `readConfigFile` and `validateConfig`.
 */
export async function loadTrainedWeights(
  path: string,
  configFile?: string,
  kind: WeightsKind = 'average',
): Promise<TrainedWeights> {
  checkAttributes(
    'loadTrainedWeights',
    { path: 'path', configFile: 'path?', kind: ['average', 'raw'] },
    { path, configFile, kind },
  );
  const hasBest = new Checkpoints(path).has('best') || existsSync(join(path, 'best.json'));
  const checkpoint = await loadCheckpoint(path, { name: hasBest ? 'best' : 'last', roles: ['weights', 'ema'] });
  const { manifest, path: file } = checkpoint;
  if (manifest && configFile !== undefined) {
    throw new GmtlError('cli/usage', `--config is for a bare .safetensors file: ${file} carries its own configuration`);
  }
  if (!manifest && configFile === undefined) {
    throw new GmtlError(
      'infer/no-config',
      `${file}: weights alone do not tell the network's shape nor how images are prepared. Give the run folder or its manifest ` +
        `instead, or name the configuration with --config FILE (the run's config.json).`,
    );
  }
  // Bare weights come with the configuration that their run stored, perhaps under the names of an earlier version.
  const stored = manifest ? { values: manifest.config, origin: file } : await readConfigFile(configFile!);
  const config = validateConfig(stored.values, stored.origin);
  return { path: file, config, ...weightsOf(checkpoint, kind), step: manifest?.step };
}

/**
 * The run whose checkpoint is the youngest.
 * @param root the folder that holds runs.
 * @throws GmtlError `infer/no-run` when there is none.
 */
export function newestRun(root: string): string {
  checkAttributes('newestRun', { root: 'path' }, { root });
  let names: string[] = [];
  try {
    names = readdirSync(root);
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
  }
  const runs = names.flatMap((name) => {
    const path = join(root, name);
    const time = new Checkpoints(path).savedAt();
    return time === null ? [] : [{ path, time }];
  });
  if (runs.length === 0) {
    throw new GmtlError(
      'infer/no-run',
      `no trained network: ${resolve(root)} holds no run with a checkpoint. Train one first (gmtl train; without options it makes a ` +
        'small demonstration), or name a run with --run.',
    );
  }
  return runs.reduce((newest, run) => (run.time > newest.time ? run : newest)).path;
}
