/** Builds a predictor from an exported model, wherever it runs. */
import type { Engine } from '../../engine/autograd/engine.ts';
import { loaderSettings } from '../data/loading/settings.ts';
import { buildModel } from '../network/build.ts';
import { restoreWeights } from '../network/weights.ts';
import type { LoadedModel } from '../run/modelFolder.ts';
import type { PreparedAs } from './pictureNetwork.ts';
import { Predictor } from './predictor.ts';

/** A predictor that owns its network. @throws GmtlError where the weights do not fit the configuration. */
export function openModel(engine: Engine, { config, weights, facts, trainingSet }: LoadedModel): Predictor<PreparedAs> {
  const model = buildModel(engine, config);
  restoreWeights(model, weights, facts.name);
  return new Predictor<PreparedAs>({
    engine,
    model,
    config,
    source: { options: loaderSettings(config) },
    name: facts.name,
    trainingSet,
    ownsModel: true,
  });
}
