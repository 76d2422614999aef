/** For tests: a run folder whose network was never trained, made in milliseconds. */
import { join } from 'node:path';
import { setEngine } from '../../engine/autograd/currentEngine.ts';
import { Engine } from '../../engine/autograd/engine.ts';
import { ReferenceBackend } from '../../engine/ops/referenceBackend.ts';
import { validateConfig } from '../config/resolve.ts';
import type { TrainConfig } from '../config/schema.ts';
import { buildModel } from '../network/build.ts';
import { packWeights } from '../network/weights.ts';
import { saveCheckpoint } from '../run/checkpoint.ts';
import type { JsonValue } from '../run/checkpointFormat.ts';

const TINY = {
  model: {
    trunk: { depths: [1, 1, 1, 1], dims: [4, 4, 8, 8] },
    decoderChannels: [4, 4, 4, 4],
    gateHidden: 4,
    retinopathyHidden: 4,
    edemaHidden: 4,
    layerScaleInit: 1,
    maskPrior: 0.45,
  },
  data: { imageSize: 32, normalization: 'idrid' },
};

/** Writes it. @returns the configuration of the network. */
export async function writeUntrainedRun(folder: string): Promise<TrainConfig> {
  const config = validateConfig(TINY, 'test');
  const engine = new Engine(new ReferenceBackend());
  const previous = setEngine(engine);
  const model = buildModel(engine, config);
  const weights = await packWeights(model);
  const stored = config as unknown as JsonValue;
  const nothing = { metrics: {}, sampler: null, random: null };
  await saveCheckpoint(join(folder, 'checkpoints'), 'last', { weights, step: 1, epoch: 1, config: stored, ...nothing });
  model.dispose();
  setEngine(previous);
  return config;
}
