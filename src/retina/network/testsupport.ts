/** A tiny network and its objective, for tests. */
import type { ObjectiveOptions } from '../train/objective.ts';
import type { GatedOptions } from './multitask.ts';

/** A network of the full structure with odd, distinct widths: a few thousand parameters, so that float64 references run it in a moment. */
export const TINY_NETWORK: GatedOptions = {
  masks: 5,
  grades: 'both',
  ordinal: false,
  trunk: { depths: [1, 1, 1, 1], dims: [4, 6, 7, 8] },
  dropPath: 0,
  headDropout: 0,
  decoderDropout: 0,
  decoderChannels: [6, 5, 4, 4],
  decoderNorm: 'batch',
  skipConnections: true,
  headNorm: true,
  maskPrior: 0.2,
  gateHidden: 5,
  retinopathyHidden: 6,
  edemaHidden: 5,
  layerScaleInit: 0.5,
  seed: 11,
};

/** Every term of the objective with a weight of its own. */
export const LOSS_DEFAULTS: ObjectiveOptions = {
  bceWeight: 1,
  diceWeight: 0.7,
  diceSmooth: 1,
  diceForm: 'sample',
  tverskyAlpha: 0.5,
  tverskyBeta: 0.5,
  focalGamma: 0,
  focalAlpha: null,
  gradeLoss: 'ce',
  labelSmoothing: 0.1,
  gateWeight: 0.9,
  gateEntropyWeight: 0.01,
  segmentationWeight: 1.1,
  classificationWeight: 0.8,
};
