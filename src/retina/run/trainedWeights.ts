/** Finds the trained weights that inference is to use, with the configuration they were trained under. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { GmtlError } from '../../engine/errors.ts';
import { errorCode } from '../../engine/node/atomic.ts';
import type { StoredTensors } from '../../engine/io/safetensors.ts';
import { CHECKPOINT_FOLDER, loadCheckpoint } from './checkpoint.ts';
import { readConfigFile } from '../config/file.ts';
import { resolveConfig, type TrainConfig, validateConfig } from '../config/resolve.ts';

/** Weights and what is needed to use them. */
export interface TrainedWeights {
  /** The file they came from. */
  readonly path: string;
  readonly config: TrainConfig;
  readonly weights: StoredTensors;
  /** True: the moving average of the weights. */
  readonly averaged: boolean;
  /** Optimiser steps done; undefined for a bare weights file. */
  readonly step: number | undefined;
}

/**
 * @param path a run folder (its `best` checkpoint, else `last`), a checkpoints folder, a manifest, or a bare .safetensors file.
 * @param configFile JSON configuration, for a bare .safetensors file and only there: a manifest carries its own.
 * @param kind `average` takes the moving average where the checkpoint has one.
 * @throws GmtlError `infer/no-config` for bare weights without a configuration, `usage` for a configuration too many, or as
 * {@link loadCheckpoint}, {@link readConfigFile}, {@link resolveConfig} and {@link validateConfig}.
 */
export async function loadTrainedWeights(
  path: string,
  configFile?: string,
  kind: 'average' | 'raw' = 'average',
): Promise<TrainedWeights> {
  const name = [join(path, CHECKPOINT_FOLDER), path].some((folder) => existsSync(join(folder, 'best.json')))
    ? 'best'
    : 'last';
  const checkpoint = await loadCheckpoint(path, { name, roles: ['weights', 'ema'] });
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
  const config = manifest
    ? validateConfig(manifest.config, file)
    : resolveConfig({ file: await readConfigFile(configFile!) });
  const average = kind === 'average' ? checkpoint.ema : undefined;
  return {
    path: file,
    config,
    weights: average ?? checkpoint.weights,
    averaged: average !== undefined,
    step: manifest?.step,
  };
}

/**
 * The run whose checkpoint is the youngest.
 * @param root the folder that holds runs.
 * @throws GmtlError `infer/no-run` when there is none.
 */
export function newestRun(root: string): string {
  let names: string[] = [];
  try {
    names = readdirSync(root);
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
  }
  const runs = names.flatMap((name) => {
    const times = ['best.json', 'last.json'].flatMap((manifest) => {
      const status = statSync(join(root, name, CHECKPOINT_FOLDER, manifest), { throwIfNoEntry: false });
      return status ? [status.mtimeMs] : [];
    });
    return times.length > 0 ? [{ path: join(root, name), time: Math.max(...times) }] : [];
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
