import type { PartialConfig } from './config-schema.ts';

/** A named starting point: what it is for, and what it changes against the defaults. */
export interface Preset {
  readonly description: string;
  readonly config: PartialConfig;
}

export type PresetName = 'demo' | 'idrid-128' | 'convnext-gated';

export const presets: Readonly<Record<PresetName, Preset>> = {
  demo: {
    description: 'A tiny network on the synthetic set: shows every part at work within minutes on two CPU cores.',
    config: {
      model: {
        trunk: 'demo',
        headDropout: 0.1,
        decoderChannels: [64, 32, 16, 16],
        gateHidden: 32,
        retinoHidden: 32,
        edemaHidden: 32,
        // From scratch and for few steps, blocks scaled by 1e-6 would still be near the identity at the end.
        layerScaleInit: 0.1,
      },
      data: {
        imageSize: 64,
        segmentationPerBatch: 4,
        classificationPerBatch: 4,
        normalization: 'idrid',
        augment: { quarterTurns: false },
      },
      // MA, HE, EX, SE, OD: the rarer, the heavier.
      loss: { posWeight: [8, 4, 4, 8, 4] },
      optimizer: { lr: 3e-3, schedule: 'onecycle', warmupFraction: 0.2 },
      training: { epochs: 15, stepsPerEpoch: 30, validateEvery: 3, checkpointEvery: 30 },
    },
  },
  'idrid-128': {
    description: 'IDRiD at 128x128 with a small ConvNeXt trained from scratch: a real run for a modest machine.',
    config: {
      model: {
        trunk: { depths: [1, 1, 2, 1], dims: [40, 80, 160, 320] },
        layerScaleInit: 0.1,
        decoderChannels: [128, 96, 64, 32],
      },
      data: {
        imageSize: 128,
        segmentationPerBatch: 4,
        classificationPerBatch: 4,
        normalization: 'idrid',
        validationFraction: 0.1,
        augment: {
          // The disc lies left or right of the macula, never above: quarter turns would throw that away.
          quarterTurns: false,
          scale: [0.85, 1.25],
          // Some thirty images with masks: without strong changes of light, a pale disc of an unseen eye is missed.
          colorJitter: { brightness: 0.25, contrast: 0.25, saturation: 0.2 },
        },
      },
      // MA, HE, EX, SE, OD: the rarer, the heavier.
      loss: { posWeight: [8, 4, 4, 8, 4] },
      optimizer: { name: 'adamw', lr: 2e-3, schedule: 'onecycle', warmupFraction: 0.2, emaDecay: 0.99 },
      training: { epochs: 75, stepsPerEpoch: 20, validateEvery: 3 },
    },
  },
  'convnext-gated': {
    description:
      'The published ConvNeXt-gated multitask recipe (github.com/manish33scss/MultiClassModel_idrid at 21d48e3): tiny trunk, 512x512, ' +
      'decoder without skips, AdamW at a constant 1e-4, batch 4, 20 epochs.',
    config: {
      model: {
        trunk: 'tiny',
        // torchvision's convnext_tiny default; the notebook does not change it.
        dropPath: 0.1,
        headDropout: 0.3,
        decoderDropout: 0.2,
        decoderChannels: [256, 128, 64, 32],
        skipConnections: false,
        decoderNorm: 'none',
        headNorm: false,
        maskPrior: 0.5,
        gateHidden: 256,
        retinoHidden: 256,
        edemaHidden: 128,
        layerScaleInit: 1e-6,
      },
      data: {
        imageSize: 512,
        // The original shuffles 432 mask entries (54 images, 8 copies) with 413 graded ones: half and half on average.
        segmentationPerBatch: 2,
        classificationPerBatch: 2,
        maskResize: 'nearest',
        augment: {
          flips: false,
          quarterTurns: false,
          scale: [1, 1],
          shift: 0,
          colorJitter: { brightness: 0.1, contrast: 0.1, saturation: 0 },
        },
        clahe: false,
        normalization: 'imagenet',
      },
      loss: {
        bceWeight: 1,
        diceWeight: 1,
        diceSmooth: 1e-5,
        posWeight: 1,
        gateWeight: 1,
        gateEntropyWeight: 0.01,
        classWeights: 'none',
      },
      optimizer: {
        name: 'adamw',
        lr: 1e-4,
        // PyTorch's AdamW default.
        weightDecay: 0.01,
        betas: [0.9, 0.999],
        eps: 1e-8,
        schedule: 'constant',
        warmupSteps: 0,
        minLr: 0,
        gradClipNorm: 0,
        emaDecay: 0,
      },
      // 845 entries in batches of 4.
      training: { epochs: 20, stepsPerEpoch: 211, seed: 42 },
    },
  },
};
