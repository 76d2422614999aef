/** In what format a run stores its activations, and what becomes of a wish that the adapter cannot fulfil. */
import type { Engine } from '../../engine/autograd/engine.ts';
import type { Precision } from './network.ts';
import { GpuBackend } from '../../engine/ops/gpuBackend.ts';
import type { TrainConfig } from '../config/resolve.ts';

/** What was asked for, or float32 where the adapter's shaders cannot read float16. */
export function usablePrecision({ backend }: Engine, { training }: TrainConfig): Precision {
  const lacking = backend instanceof GpuBackend && !backend.gpu.target.features.has('shader-f16');
  return lacking ? 'f32' : training.precision;
}

/** A configuration with another storage of activations; unchanged where none is given. */
export function withPrecision(config: TrainConfig, precision: Precision | undefined): TrainConfig {
  return precision ? { ...config, training: { ...config.training, precision } } : config;
}

/** A sentence for people where the precision is not what was asked for; null where it is. */
export function precisionNote(engine: Engine, config: TrainConfig, doing: 'training' | 'computing'): string | null {
  const used = usablePrecision(engine, config);
  return used === config.training.precision ? null : `this adapter has no shader-f16: ${doing} in ${used}`;
}
