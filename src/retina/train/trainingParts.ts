/** Everything that a training step of a configuration works with, made together: for the trainer and for benchmarks. */
import type { Engine } from '../../engine/autograd/engine.ts';
import type { Tensor } from '../../engine/autograd/tensor.ts';
import { TaskBalancedSampler } from '../data/loading/sampler.ts';
import { type DatasetItem, STRUCTURES } from '../domain.ts';
import type { CompileProgress } from '../../engine/gpu/capture.ts';
import type { MultitaskNet } from '../network/network.ts';
import { EMA, GradientGuard, LOSS_SCALING, type Optimizer } from '../../engine/optim/index.ts';
import { averagedTensors, buildConstants, buildOptimizer, parametersOf } from './build.ts';
import { buildModel } from '../network/build.ts';
import type { TrainConfig } from '../config/schema.ts';
import { shapesOf } from '../network/weights.ts';
import { usablePrecision } from '../network/precision.ts';
import { WEIGHTING_PREFIX } from './state.ts';
import { type StepSharing, TrainStep } from './step.ts';
import { buildWeighting, type Weighting } from './weighting/index.ts';

/** A network with what teaches it. */
export interface TrainingParts {
  readonly model: MultitaskNet;
  readonly weighting: Weighting;
  readonly optimizer: Optimizer;
  readonly guard: GradientGuard;
  /** Null where optimizer.emaDecay is 0. */
  readonly ema: EMA | null;
  readonly step: TrainStep;
  dispose(): void;
}

/**
 * @param train the training items: class weights come from them.
 * @param totalSteps of the run, over which the Gumbel temperature falls.
 * @param sharing null: this process has all micro-batches of a step.
 */
export function buildTrainingParts(
  engine: Engine,
  config: TrainConfig,
  train: readonly DatasetItem[],
  totalSteps: number,
  onCompile?: CompileProgress,
  sharing: StepSharing | null = null,
): TrainingParts {
  const model = buildModel(engine, config);
  const weighting = buildWeighting(engine, config.loss);
  const params = [...parametersOf(model), ...parametersOf(weighting, WEIGHTING_PREFIX)];
  const optimizer = buildOptimizer(config, params, shapesOf(model));
  // Float16 training lives with steps that are suppressed now and then; in float32 the first one ends it.
  const scales = usablePrecision(engine, config) === 'f16';
  const guard = new GradientGuard(params, {
    maxNorm: config.optimizer.gradClipNorm,
    sticky: !scales,
    lossScaling: scales ? { ...LOSS_SCALING, growthInterval: config.training.lossScaleInterval } : null,
  });
  const { emaDecay: decay, emaWarmup: warmup } = config.optimizer;
  const ema = decay > 0 ? new EMA(averagedTensors(model), { decay, warmup }) : null;
  const constants = buildConstants(engine, config, train);
  const step = new TrainStep({
    ...{ engine, model, optimizer, guard, ema, constants, weighting },
    objective: config.loss,
    routing: config.training.routing,
    gradeDecision: config.model.gradeDecision,
    maskChannels: config.model.structures.map((lesion) => STRUCTURES.indexOf(lesion)),
    gumbel: { seed: config.training.seed, tau: config.training.gumbelTau, totalSteps },
    conflictEvery: config.training.conflictEvery,
    sharing,
    ...(onCompile && { onCompile }),
  });
  return {
    ...{ model, weighting, optimizer, guard, ema, step },
    dispose() {
      for (const part of [step, optimizer, guard, ema, weighting, model]) part?.dispose();
      for (const tensor of Object.values<Tensor | null>({ ...constants })) tensor?.dispose();
    },
  };
}

/** Draws the batches that a configuration asks for. */
export function buildSampler(config: TrainConfig, train: readonly DatasetItem[]): TaskBalancedSampler {
  const { segmentationPerBatch, classificationPerBatch, balanceGrades, balanceLesions } = config.data;
  return new TaskBalancedSampler(train, {
    ...{ seed: config.training.seed, segmentationPerBatch, classificationPerBatch, balanceGrades },
    balanceLesions: balanceLesions && config.model.structures,
  });
}
