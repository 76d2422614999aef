/** Optimizers, learning-rate schedules, gradient clipping, weight averaging. */
export { Adam, AdamW, type AdamWOptions } from './adamw.ts';
export { clipGradValue } from './clipGradValue.ts';
export { EMA, type EMAOptions } from './ema.ts';
export {
  clipGradNorm,
  type GuardReading,
  GradientGuard,
  LOSS_SCALING,
  type LossScaleState,
  type LossScaling,
} from './gradientGuard.ts';
export { Optimizer } from './optimizer.ts';
export { type GivenParameter, type NamedParameter, noDecay, type ParameterGroup } from './parameters.ts';
export { Plateau, type PlateauOptions, type PlateauState } from './plateau.ts';
export { RMSprop, type RMSpropOptions } from './rmsprop.ts';
export { SGD, type SGDOptions } from './sgd.ts';
export type { OptimizerState } from './state.ts';
export {
  constant,
  cosine,
  type DecayOptions,
  type OneCycleOptions,
  oneCycle,
  polynomial,
  type Schedule,
  type WarmupOptions,
} from './schedules.ts';
