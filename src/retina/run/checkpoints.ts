/** The checkpoints of one run, by name: `last` to resume from, and the best ones under the names of their ranks. */
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { StoredTensors } from '../../engine/io/safetensors.ts';
import {
  type CheckpointPayload,
  checkpointFolder,
  cleanCheckpoints,
  type LoadedCheckpoint,
  loadCheckpoint,
  type LoadOptions,
  readText,
  saveCheckpoint,
} from './checkpoint.ts';
import { type CheckpointManifest, parseManifest } from './checkpointFormat.ts';
import { rankedSteps, saveRankedCheckpoint } from './checkpointRanking.ts';

/** The moving average of the weights where a checkpoint has one, or the weights themselves. */
export type WeightsKind = 'average' | 'raw';

export interface RunWeights {
  readonly weights: StoredTensors;
  /** The checkpoint's name: 'best', 'last', … */
  readonly name: string;
  readonly path: string;
  readonly step: number | null;
  /** True: the moving average of the weights. */
  readonly averaged: boolean;
}

/** Reads and writes the checkpoints of a run; see checkpoint.ts for what a kill leaves, checkpointRanking.ts for the ranks. */
export class Checkpoints {
  readonly folder: string;
  readonly #run: string;

  /** Neither reads nor writes. */
  constructor(runFolder: string) {
    this.#run = runFolder;
    this.folder = checkpointFolder(runFolder);
  }

  /** Makes the folder of a new run's checkpoints. */
  make(): void {
    mkdirSync(this.folder);
  }

  has(name: string): boolean {
    return existsSync(this.#manifestPath(name));
  }

  /** The name of the checkpoint that is evaluated: `best` where there is one, else `last`. */
  get evaluated(): 'best' | 'last' {
    return this.has('best') ? 'best' : 'last';
  }

  /** Whether the folder holds nothing at all. @throws Error where there is no such folder. */
  isEmpty(): boolean {
    return readdirSync(this.folder).length === 0;
  }

  /** @throws GmtlError as {@link loadCheckpoint}. */
  load(options: LoadOptions): Promise<LoadedCheckpoint> {
    return loadCheckpoint(this.#run, options);
  }

  /** The manifest of a checkpoint, its data files unread; null where there is none of that name. @throws GmtlError as {@link parseManifest}. */
  async manifest(name: string): Promise<CheckpointManifest | null> {
    const path = this.#manifestPath(name);
    return existsSync(path) ? parseManifest(await readText(path), path) : null;
  }

  /** When the younger of `best` and `last` was written, in milliseconds since 1970; null where there is neither. */
  savedAt(): number | null {
    const times = ['best', 'last'].flatMap((name) => {
      const status = statSync(this.#manifestPath(name), { throwIfNoEntry: false });
      return status ? [status.mtimeMs] : [];
    });
    return times.length > 0 ? Math.max(...times) : null;
  }

  /** The weights to evaluate. @param name default: {@link evaluated}. @throws GmtlError as {@link loadCheckpoint}. */
  async weights(kind: WeightsKind = 'average', name: string = this.evaluated): Promise<RunWeights> {
    const checkpoint = await this.load({ name, roles: ['weights', 'ema'] });
    const { path, manifest } = checkpoint;
    return { ...weightsOf(checkpoint, kind), name, path, step: manifest?.step ?? null };
  }

  /** @throws GmtlError as {@link saveCheckpoint}. */
  save(name: string, payload: CheckpointPayload): Promise<CheckpointManifest> {
    return saveCheckpoint(this.folder, name, payload);
  }

  /** Adds `payload` to the best checkpoints. @param steps those to keep, best first. @throws GmtlError as {@link saveRankedCheckpoint}. */
  saveRanked(steps: readonly number[], payload: CheckpointPayload): Promise<void> {
    return saveRankedCheckpoint(this.folder, steps, payload);
  }

  /** The steps of the best checkpoints, best first. */
  rankedSteps(): Promise<number[]> {
    return rankedSteps(this.folder);
  }

  /** Removes what a killed process left; the caller holds the run's lock. @returns the names removed. */
  clean(): Promise<string[]> {
    return cleanCheckpoints(this.folder);
  }

  #manifestPath(name: string): string {
    return join(this.folder, `${name}.json`);
  }
}

/** Of a loaded checkpoint, the weights of a kind. */
export function weightsOf(
  { ema, weights }: LoadedCheckpoint,
  kind: WeightsKind,
): Pick<RunWeights, 'weights' | 'averaged'> {
  const average = kind === 'average' ? ema : undefined;
  return { weights: average ?? weights, averaged: average !== undefined };
}
