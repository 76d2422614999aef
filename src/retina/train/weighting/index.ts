/** Makes the configured weighting. */
import type { Engine } from '../../../engine/autograd/engine.ts';
import type { TrainConfig } from '../../config/schema.ts';
import { CountWeighting, DynamicWeightAverage, EqualWeighting } from './fixed.ts';
import { GradientSurgery, GradNormWeighting } from './gradients.ts';
import { RouterWeighting } from './router.ts';
import { UncertaintyWeighting } from './uncertainty.ts';
import type { Weighting } from './weighting.ts';

export * from './weighting.ts';
export { CountWeighting, DynamicWeightAverage, dynamicWeights, EqualWeighting } from './fixed.ts';
export { GradientSurgery, GradNormWeighting } from './gradients.ts';
export { RouterWeighting } from './router.ts';
export { UncertaintyWeighting } from './uncertainty.ts';

/** The configured weighting; `engine` must be current. */
export function buildWeighting(engine: Engine, loss: TrainConfig['loss']): Weighting {
  switch (loss.weighting) {
    case 'ew':
      return new EqualWeighting();
    case 'counts':
      return new CountWeighting();
    case 'uw':
      return new UncertaintyWeighting();
    case 'dwa':
      return new DynamicWeightAverage(engine, loss.dwaTemperature);
    case 'gradnorm':
      return new GradNormWeighting(engine, loss.gradnormAlpha);
    case 'pcgrad':
      return new GradientSurgery();
    case 'router':
      return new RouterWeighting(loss.routerForm);
    default:
      return loss.weighting satisfies never;
  }
}
