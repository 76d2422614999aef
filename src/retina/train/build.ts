/** What a configuration makes for training: optimizer, schedules and the constants of the losses. */
import type { Engine } from '../../engine/autograd/engine.ts';
import type { DatasetItem } from '../domain.ts';
import { GmtlError } from '../../engine/errors.ts';
import { layerScaleOf } from '../../engine/models/layerDecay.ts';
import type { MultitaskNet } from '../network/network.ts';
import type { Module } from '../../engine/nn/module.ts';
import { describeTrunk } from '../../engine/models/pretrained/trunk.ts';
import {
  AdamW,
  type NamedParameter,
  noDecay,
  type ParameterGroup,
  type Optimizer,
  type Schedule,
  SGD,
  constant,
  cosine,
  oneCycle,
  Plateau,
  polynomial,
} from '../../engine/optim/index.ts';
import { gradeWeights } from './classWeights.ts';
import type { TrainConfig } from '../config/schema.ts';
import type { ObjectiveConstants } from './objective.ts';

/** A module's trainable parameters under their names. */
export function parametersOf(module: Module, prefix = ''): NamedParameter[] {
  return [...module.namedParameters(prefix)].map(([name, tensor]) => ({ name, tensor }));
}

/** Parameters and buffers: what a moving average averages, so that running statistics fit the averaged weights. */
export function averagedTensors(model: MultitaskNet): NamedParameter[] {
  return [...model.namedTensors()].map(([name, tensor]) => ({ name, tensor }));
}

/**
 * The configured optimizer; one-dimensional parameters are not decayed, and with optimizer.layerDecay below 1 the trunk's lower layers learn
 * more slowly. Its learning rate is set before each step.
 * @param shapes of all of the network's tensors in PyTorch's layouts (`shapesOf`), by which its trunk is found.
 * @throws GmtlError `optim/layers` where layers should decay, but the network has no trunk with layers.
 */
export function buildOptimizer(
  config: TrainConfig,
  params: readonly NamedParameter[],
  shapes: ReadonlyMap<string, readonly number[]>,
): Optimizer {
  const { name, lr, weightDecay, betas, eps, momentum } = config.optimizer;
  const groups = decayLayers(noDecay(params, weightDecay), config.optimizer.layerDecay, shapes);
  return name === 'adamw'
    ? new AdamW(groups, { lr, betas, eps, weightDecay })
    : new SGD(groups, { lr, momentum, weightDecay });
}

/** Splits groups by the learning rate factor of their parameters' layers. */
function decayLayers(
  groups: readonly ParameterGroup<NamedParameter>[],
  decay: number,
  shapes: ReadonlyMap<string, readonly number[]>,
): readonly ParameterGroup<NamedParameter>[] {
  if (decay === 1) return groups;
  const trunk = describeTrunk(shapes);
  if (!trunk) {
    throw new GmtlError(
      'optim/layers',
      `optimizer.layerDecay is ${decay}, but the network has no ConvNeXt or ResNet trunk: set it to 1`,
    );
  }
  return groups.flatMap(({ params, ...settings }) => {
    const byScale = new Map<number, NamedParameter[]>();
    for (const parameter of params) {
      const lrScale = layerScaleOf(parameter.name, trunk, decay);
      byScale.set(lrScale, [...(byScale.get(lrScale) ?? []), parameter]);
    }
    return [...byScale].map(
      ([lrScale, scaled]): ParameterGroup<NamedParameter> => ({ ...settings, params: scaled, lrScale }),
    );
  });
}

/**
 * Learning rate of each step (counted from 0), as a factor of the configured rate. Of the plateau schedule it is the warm-up only: what
 * the validations make of the rate is the {@link buildPlateau}'s.
 */
export function buildSchedule(config: TrainConfig, totalSteps: number): Schedule {
  const { schedule, warmupFraction, warmupSteps, minLr, lr, polyPower } = config.optimizer;
  const warmup = warmupSteps ?? Math.round(warmupFraction * totalSteps);
  switch (schedule) {
    case 'constant':
    case 'plateau':
      return constant({ warmupSteps: warmup });
    case 'cosine':
      return cosine({ totalSteps, warmupSteps: warmup, minFactor: minLr / lr });
    case 'poly':
      return polynomial({ totalSteps, warmupSteps: warmup, minFactor: minLr / lr, power: polyPower });
    case 'onecycle':
      return oneCycle({ totalSteps, pctStart: totalSteps > 0 ? warmup / totalSteps : 0.3 });
    default:
      return schedule satisfies never;
  }
}

/** The part of the plateau schedule that validations drive; null with any other. `mode`: whether its figure should fall or rise. */
export function buildPlateau(config: TrainConfig, mode: 'min' | 'max'): Plateau | null {
  const { schedule, plateauFactor, plateauPatience, minLr, lr } = config.optimizer;
  if (schedule !== 'plateau') return null;
  return new Plateau({ mode, factor: plateauFactor, patience: plateauPatience, minFactor: minLr / lr });
}

/** The constant tensors of the losses: class weights from the training items, lesion weights from the configuration. */
export function buildConstants(engine: Engine, config: TrainConfig, train: readonly DatasetItem[]): ObjectiveConstants {
  const { posWeight } = config.loss;
  const vector = (values: Float32Array): ReturnType<Engine['tensor']> => engine.tensor(values, [values.length]).keep();
  const lesionWeights =
    typeof posWeight === 'number'
      ? new Float32Array(config.model.structures.length).fill(posWeight)
      : Float32Array.from(posWeight);
  const grades = gradeWeights(config, train);
  return {
    posWeight: lesionWeights.every((value) => value === 1) ? null : vector(lesionWeights),
    retinopathyWeights: grades && vector(grades.retinopathy),
    edemaWeights: grades && vector(grades.edema),
  };
}
