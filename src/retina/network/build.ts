/** Builds the network that a configuration describes. */
import { setEngine } from '../../engine/autograd/currentEngine.ts';
import type { Engine } from '../../engine/autograd/engine.ts';
import type { TrainConfig } from '../config/schema.ts';
import { GatedMultitaskNet } from './multitask.ts';
import type { MultitaskNet } from './network.ts';
import { usablePrecision } from './precision.ts';
import { RoutedUnet } from './routedUnet.ts';

/** The network a configuration describes, initialized from its seed, in the precision that the engine's adapter supports. */
export function buildModel(engine: Engine, config: TrainConfig): MultitaskNet {
  const model = constructModel(engine, config);
  model.precision = usablePrecision(engine, config);
  return model;
}

function constructModel(engine: Engine, config: TrainConfig): MultitaskNet {
  const previous = setEngine(engine);
  try {
    const { model, loss, training } = config;
    const heads = {
      masks: model.structures.length,
      grades: model.grades,
      ordinal: loss.gradeLoss === 'corn',
      gradeFeatures: model.gradeFeatures,
      gateFeatures: model.gateFeatures,
      seed: training.seed,
    };
    switch (model.architecture) {
      case 'convnext-gated':
        return new GatedMultitaskNet({ ...model, ...heads });
      case 'resnet-unet':
        return new RoutedUnet({ ...model.unet, ...heads });
      default:
        return model.architecture satisfies never;
    }
  } finally {
    setEngine(previous);
  }
}
