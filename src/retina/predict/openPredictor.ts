/** Builds a predictor from a run's weights. */
import { checkAttributes, requireMade } from '../../engine/arguments.ts';
import { Engine } from '../../engine/autograd/engine.ts';
import type { StoredTensors } from '../../engine/io/safetensors.ts';
import { requireConfig } from '../config/resolve.ts';
import type { TrainConfig } from '../config/schema.ts';
import { SampleSource } from '../data/loading/loader.ts';
import { loaderSettings } from '../data/loading/settings.ts';
import { buildModel } from '../network/build.ts';
import type { Precision } from '../network/network.ts';
import { precisionNote, withPrecision } from '../network/precision.ts';
import { restoreWeights } from '../network/weights.ts';
import type { TrainingSet } from '../run/trainingSetFormat.ts';
import { Predictor } from './predictor.ts';

/** Options of {@link openPredictor}. */
export interface OpenPredictorOptions {
  readonly config: TrainConfig;
  readonly weights: StoredTensors;
  /** The weights' file, for messages. */
  readonly path: string;
  /** What the network was trained on (`trainingSetOf` its weights' file). Default: not recorded. */
  readonly trainingSet?: TrainingSet | null;
  /** Storage of activations. Default: the configuration's `training.precision`. */
  readonly precision?: Precision;
  /** Receives a note where something is not as requested. */
  readonly note?: (text: string) => void;
}

/**
 * Builds the network of a configuration, restores its weights and prepares pictures from files. The predictor owns the network.
 *
 * @throws GmtlError `ops/attribute` for options that are none, `config/invalid` for a configuration that resolveConfig did not give; where the weights do not fit the configuration, or are not finite.
 */
export function openPredictor(engine: Engine, options: OpenPredictorOptions): Predictor {
  checkAttributes('openPredictor', { engine: Engine }, { engine });
  const maker = '{ ...(await loadTrainedWeights(run)) }';
  requireMade('openPredictor', 'options', options, ['config', 'weights', 'path'], maker);
  requireConfig('openPredictor', options.config);
  const { path, weights, note, precision } = options;
  const kinds = { weights: 'map', path: 'text', note: 'call?', precision: ['f32', 'f16'] } as const;
  checkAttributes('openPredictor', kinds, { weights, path, note, precision });
  const config = withPrecision(options.config, options.precision);
  const lacking = precisionNote(engine, config, 'computing');
  if (lacking !== null) note?.(lacking);
  const model = buildModel(engine, config);
  restoreWeights(model, weights, path);
  const source = new SampleSource(loaderSettings(config));
  const { trainingSet = null } = options;
  return new Predictor({ engine, model, config, source, name: path, trainingSet, ownsModel: true });
}
