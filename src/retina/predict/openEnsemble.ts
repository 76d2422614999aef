/** Opens the networks that a list of runs names: one predictor for one, an ensemble for several. */
import { existsSync } from 'node:fs';
import type { Engine } from '../../engine/autograd/engine.ts';
import { GmtlError } from '../../engine/errors.ts';
import type { StoredTensors } from '../../engine/io/safetensors.ts';
import type { WeightsKind } from '../run/checkpoints.ts';
import { loadTrainedWeights, type TrainedWeights } from '../run/trainedWeights.ts';
import { weightsHash } from '../run/weightsHash.ts';
import { Ensemble } from './ensemble.ts';
import { openPredictor, type OpenPredictorOptions } from './openPredictor.ts';
import type { Predictor } from './predictor.ts';

/** The parts of `a,b,c`; a path that is there is one part, whatever its name. */
export function runsOf(text: string): readonly string[] {
  const parts = existsSync(text) ? [text] : text.split(',').map((part) => part.trim());
  if (parts.some((part) => part === '') || new Set(parts).size < parts.length) {
    throw new GmtlError('cli/usage', `"${text}": name different runs, separated by commas`);
  }
  return parts;
}

/** All weights of several networks under one name each, by which hashes tell ensembles apart; those of a single one as they are. */
export function weightsTogether(members: readonly Pick<TrainedWeights, 'weights'>[]): StoredTensors {
  if (members.length === 1) return members[0].weights;
  return new Map(
    members.flatMap(({ weights }, index) =>
      [...weights].map(([name, tensor]) => [`${index}.${name}`, tensor] as const),
    ),
  );
}

/** Networks that answer as one, or a single one. */
export interface TrainedEnsemble {
  readonly members: readonly TrainedWeights[];
  /** The first network with the weights of all: what hashes and records are made of. */
  readonly trained: TrainedWeights;
  /** Hash of the weights; undefined for a single network. */
  readonly ensemble: string | undefined;
}

/** Loads the networks that a list of runs names, see {@link runsOf}. @throws GmtlError as `loadTrainedWeights`. */
export async function loadEnsemble(runs: string, configFile?: string, kind?: WeightsKind): Promise<TrainedEnsemble> {
  const members: TrainedWeights[] = [];
  for (const run of runsOf(runs)) members.push(await loadTrainedWeights(run, configFile, kind));
  const trained = { ...members[0], weights: weightsTogether(members) };
  return { members, trained, ensemble: members.length > 1 ? weightsHash(trained.weights) : undefined };
}

/** What {@link openEnsemble} needs of each network. */
export type Member = Pick<OpenPredictorOptions, 'config' | 'weights' | 'path'>;

/** A predictor of one network, or the ensemble of several. @throws GmtlError as `openPredictor` and {@link Ensemble}. */
export function openEnsemble(
  engine: Engine,
  members: readonly Member[],
  options: Omit<OpenPredictorOptions, keyof Member>,
): Predictor {
  const opened: Predictor[] = [];
  try {
    for (const { config, weights, path } of members)
      opened.push(openPredictor(engine, { config, weights, path, ...options }));
    return opened.length === 1 ? opened[0] : new Ensemble(opened);
  } catch (error) {
    for (const one of opened) one.dispose();
    throw error;
  }
}
