/** All that changes in a training, as a checkpoint holds it, and how a training goes on from one. */
import { GmtlError } from '../../engine/errors.ts';
import type { LossScaleState, Plateau, PlateauState } from '../../engine/optim/index.ts';
import type { TrainConfig } from '../config/schema.ts';
import type { TrainLoader } from '../data/loading/loader.ts';
import { packWeights, restoreWeights } from '../network/weights.ts';
import type { CheckpointPayload, LoadedCheckpoint } from '../run/checkpoint.ts';
import type { Ranking, RankingState } from './best.ts';
import type { EpochSums, EpochSumsState } from './epochSums.ts';
import {
  packAverages,
  packOptimizer,
  packWeighting,
  restoreAverages,
  restoreOptimizer,
  restoreWeighting,
} from './state.ts';
import type { TrainingParts } from './trainingParts.ts';
import type { WeightingState } from './weighting/index.ts';

/** What changes from step to step. */
export interface ChangingParts {
  readonly training: TrainingParts;
  readonly loader: TrainLoader;
  readonly sums: EpochSums;
  readonly ranking: Ranking;
  /** Null where the schedule is another. */
  readonly plateau: Plateau | null;
}

/** What a checkpoint's manifest keeps besides tensors. */
interface SavedState {
  readonly emaSteps: number;
  readonly sums: EpochSumsState;
  readonly ranking?: RankingState;
  readonly plateau?: PlateauState | null;
  readonly weighting?: WeightingState;
  readonly lossScale?: LossScaleState | null;
}

/** @param isResumable with the optimizer's and the weighting's state; without it there is what is needed to predict. */
export async function packTraining(
  { training, loader, sums, ranking, plateau }: ChangingParts,
  config: TrainConfig,
  at: { readonly step: number; readonly epoch: number },
  isResumable: boolean,
): Promise<CheckpointPayload> {
  const { model, ema, optimizer, weighting, guard } = training;
  return {
    weights: await packWeights(model),
    ...(ema && { ema: await packAverages(model, ema) }),
    ...(isResumable && {
      state: new Map([...(await packOptimizer(optimizer)), ...(await packWeighting(weighting))]),
    }),
    ...at,
    config: JSON.parse(JSON.stringify(config)),
    metrics: { best: ranking.best },
    sampler: { ...loader.state() },
    random: {
      seed: config.training.seed,
      emaSteps: ema?.stepCount ?? 0,
      sums: { ...sums.state() },
      ranking: JSON.parse(JSON.stringify(ranking.state())),
      weighting: JSON.parse(JSON.stringify(weighting.hostState())),
      plateau: plateau ? { ...plateau.state() } : null,
      lossScale: guard.scalesLosses ? { ...(await guard.readLossScale()) } : null,
    },
  };
}

/**
 * Puts a training where a checkpoint left it, and gives the steps that were done then.
 *
 * @param rankedSteps steps of the best checkpoints that are still there.
 * @throws GmtlError `checkpoint/not-resumable` without the optimizer's state or the averages that are kept; `checkpoint/…` and `optim/state`
 * where tensors do not fit.
 */
export function restoreTraining(
  { training, loader, sums, ranking, plateau }: ChangingParts,
  checkpoint: LoadedCheckpoint,
  rankedSteps: readonly number[] | undefined,
): number {
  const { manifest, weights, ema: averages, state, path } = checkpoint;
  if (!manifest || !state) {
    throw new GmtlError(
      'checkpoint/not-resumable',
      `${path}: only weights are there; resuming needs the run folder with its 'last' checkpoint`,
    );
  }
  const { model, ema, optimizer, weighting, guard } = training;
  restoreWeights(model, weights, path);
  restoreOptimizer(optimizer, state, manifest.step);
  restoreWeighting(weighting, state, path);
  const random = manifest.random as unknown as SavedState;
  if (random.weighting) weighting.restoreHostState(random.weighting);
  if (ema) {
    if (!averages)
      throw new GmtlError('checkpoint/not-resumable', `${path}: the averages are missing that this run keeps`);
    restoreAverages(model, ema, averages, random.emaSteps);
  }
  loader.restore(manifest.sampler as unknown as { step: number });
  sums.restore(random.sums);
  if (random.ranking) ranking.restore(random.ranking, new Set(rankedSteps));
  if (random.plateau) plateau?.restore(random.plateau);
  if (random.lossScale && guard.scalesLosses) guard.restoreLossScale(random.lossScale);
  return manifest.step;
}
