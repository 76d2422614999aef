/** What made a prediction: network, program, adapter, preparation. */
import { createHash } from 'node:crypto';
import { gmtlVersion } from '../../engine/node/version.ts';
import type { TrainConfig } from '../config/schema.ts';
import { loaderSettings } from '../data/loading/settings.ts';
import type { StoredTensors } from '../../engine/io/safetensors.ts';
import { weightsHash } from '../run/weightsHash.ts';
import { PREDICTIONS_SCHEMA, type Provenance } from './predictionRow.ts';

/** Digits of a hash in a table: enough to tell networks apart. */
const DIGITS = 16;

/** @param adapter the device's name. */
export function provenanceOf(
  { weights, config }: { readonly weights: StoredTensors; readonly config: TrainConfig },
  adapter: string,
): Provenance {
  const { preprocess, normalization } = loaderSettings(config);
  return {
    schema: PREDICTIONS_SCHEMA,
    gmtl: gmtlVersion(),
    model: weightsHash(weights).slice(0, DIGITS),
    adapter,
    preprocessing: createHash('sha256')
      .update(JSON.stringify([preprocess, normalization]))
      .digest('hex')
      .slice(0, DIGITS),
  };
}
