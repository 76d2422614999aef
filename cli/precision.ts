/** The `--precision` of commands that run a trained network. */
import type { Engine } from '../src/engine/autograd/engine.ts';
import type { TrainConfig } from '../src/retina/config/resolve.ts';
import { precisionNote } from '../src/retina/network/precision.ts';

export const precisionOption = {
  choices: ['f32', 'f16'] as const,
  describe: "Storage of activations. Default: the run's training.precision",
} as const;

/** The run's configuration with the precision asked for; says on stderr where the adapter has not got it. */
export function withPrecision(engine: Engine, config: TrainConfig, precision: 'f32' | 'f16' | undefined): TrainConfig {
  const wanted = precision ? { ...config, training: { ...config.training, precision } } : config;
  const note = precisionNote(engine, wanted, 'computing');
  if (note !== null) console.error(note);
  return wanted;
}
