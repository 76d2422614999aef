/** Chooses the format in which a run stores its activations: the one requested, unless the adapter does not support it. */
import type { Engine } from '../../engine/autograd/engine.ts';
import type { Precision } from './network.ts';
import { GpuBackend } from '../../engine/ops/gpuBackend.ts';
import type { TrainConfig } from '../config/schema.ts';

/** The precision requested, or float32 where the adapter's shaders cannot read float16. */
export function usablePrecision({ backend }: Engine, { training }: TrainConfig): Precision {
  const lacking = backend instanceof GpuBackend && !backend.gpu.target.features.has('shader-f16');
  return lacking ? 'f32' : training.precision;
}

/** A configuration with another precision; unchanged where none is given. */
export function withPrecision(config: TrainConfig, precision: Precision | undefined): TrainConfig {
  return precision ? { ...config, training: { ...config.training, precision } } : config;
}

/** A readable sentence where the precision is not the one requested; null where it is. */
export function precisionNote(engine: Engine, config: TrainConfig, doing: 'training' | 'computing'): string | null {
  const used = usablePrecision(engine, config);
  return used === config.training.precision ? null : `this adapter has no shader-f16: ${doing} in ${used}`;
}
