/** Named starting points of a configuration. */
import type { PartialConfig } from './schema.ts';

/** A named starting point: what it is for, and how it differs from the defaults. */
export interface Preset {
  readonly description: string;
  readonly config: PartialConfig;
}

export type PresetName =
  | 'demo'
  | 'idrid-128'
  | 'idrid-tiles'
  | 'idrid-joint'
  | 'idrid-full'
  | 'convnext-gated'
  | 'convnext-gated-small'
  | 'resnet-unet'
  | 'resnet-unet-disc'
  | 'resnet-unet-experts'
  | 'resnet-unet-small';

/** The published ConvNeXt-gated recipe; see the preset of that name. */
const CONVNEXT_GATED: PartialConfig = {
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
    retinopathyHidden: 256,
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
};

/** The published ResNet U-Net recipe; see the preset of that name. */
const RESNET_UNET: PartialConfig = {
  model: {
    architecture: 'resnet-unet',
    unet: { encoder: 'resnet34', channels: [256, 128, 64, 32, 16], routerDropout: 0.2, classifier: 'linear' },
  },
  data: {
    imageSize: 512,
    segmentationPerBatch: 64,
    classificationPerBatch: 64,
    augment: {
      flips: true,
      quarterTurns: true,
      scale: [1, 1],
      shift: 0,
      colorJitter: { brightness: 0.1, contrast: 0.1, saturation: 0.1, hue: 0.02 },
    },
    // The published loader omits the mean and deviation of its pretrained weights, a defect that is not repeated here.
    normalization: 'imagenet',
  },
  loss: {
    segmentationWeight: 5,
    bceWeight: 0.5,
    diceWeight: 0.5,
    diceForm: 'batch',
    diceSmooth: 1e-6,
    posWeight: 12,
    labelSmoothing: 0.1,
    weighting: 'router',
    // 'published' is the form that can collapse.
    routerForm: 'held',
  },
  optimizer: {
    name: 'adamw',
    lr: 7e-5,
    weightDecay: 0.03,
    schedule: 'cosine',
    warmupSteps: 0,
    minLr: 1e-7,
    gradClipNorm: 0,
  },
  // Early stopping and the best checkpoint use Dice.
  training: { epochs: 100, seed: 42, routing: 'none', earlyStopping: 10, bestMetric: 'dice' },
};

/** What the two published recipes change for a modest machine, the same for both: 128x128, eight images per step, from scratch. */
const SMALL_DATA: PartialConfig['data'] = { imageSize: 128, segmentationPerBatch: 4, classificationPerBatch: 4 };
const SMALL_TRAINING: PartialConfig['training'] = { epochs: 30, stepsPerEpoch: 20, validateEvery: 6 };

/** The small real run; see the preset of that name. */
const IDRID_128: PartialConfig = {
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
      // The disc lies left or right of the macula, never above: quarter turns would lose that.
      quarterTurns: false,
      scale: [0.85, 1.25],
      // Only some thirty images have masks: without strong changes of light in training, a pale disc of an unseen eye is missed.
      colorJitter: { brightness: 0.25, contrast: 0.25, saturation: 0.2 },
    },
  },
  // MA, HE, EX, SE, OD: the rarer, the heavier.
  loss: { posWeight: [8, 4, 4, 8, 4] },
  optimizer: { name: 'adamw', lr: 2e-3, schedule: 'onecycle', warmupFraction: 0.2, emaDecay: 0.99 },
  training: { epochs: 75, stepsPerEpoch: 20, validateEvery: 3 },
};

/** Our recipe for ten minutes; see the preset of that name. */
const IDRID_JOINT: PartialConfig = {
  ...IDRID_128,
  model: { ...IDRID_128.model, gradeFeatures: 'findings' },
  // Grades do not depend on where the disc lies, and each of the few pictures is seen often: turns help the grades more than they harm the masks.
  data: {
    ...IDRID_128.data,
    benGraham: true,
    // Its mid gray is near ImageNet's mean, not that of fundus photographs.
    normalization: 'imagenet',
    joinLabels: true,
    augment: { ...IDRID_128.data?.augment, quarterTurns: true },
  },
  loss: { ...IDRID_128.loss, weighting: 'ew', labelSmoothing: 0.1, classWeights: 'natural' },
  training: { ...SMALL_TRAINING, routing: 'both' },
};

/** Our recipe for an hour; see the preset of that name. */
const IDRID_FULL: PartialConfig = {
  ...IDRID_JOINT,
  data: {
    ...IDRID_JOINT.data,
    imageSize: 256,
    // Zoomed in, a picture shows what the photograph has.
    storeSize: 512,
    balanceLesions: true,
    augment: {
      ...IDRID_JOINT.data?.augment,
      scale: [0.8, 1.4],
      colorJitter: { brightness: 0.3, contrast: 0.3, saturation: 0.25 },
    },
  },
  // Dice of each picture drives soft exudates, which most pictures lack, to no prediction at all.
  loss: { ...IDRID_JOINT.loss, diceForm: 'smp', posWeight: [8, 4, 4, 16, 4] },
  training: { ...IDRID_JOINT.training, validateEvery: 5, conflictEvery: 0 },
};

export const presets: Readonly<Record<PresetName, Preset>> = {
  demo: {
    description:
      'A small network on the synthetic set: shows every part at work, and learns masks and both grades, within three minutes on two CPU cores.',
    config: {
      model: {
        // A third of the work of the variant `demo` per pixel, spent on 96 pixels per side instead of 64: lesions are small.
        trunk: { depths: [1, 1, 1, 1], dims: [24, 32, 48, 64] },
        headDropout: 0,
        decoderChannels: [24, 16, 16, 12],
        // The grading heads keep their full width: with 32 units, one seed of five had learned no retinopathy grades after 210 steps.
        gateHidden: 32,
        // From scratch and for few steps, blocks scaled by 1e-6 would still be near the identity at the end.
        layerScaleInit: 0.1,
        // The grades follow from the lesions. Ten numbers that say so teach in 210 steps what hundreds of other features hide.
        gradeFeatures: 'masks',
        // The parts differ in how many eyes have hard exudates, which the coarsest map does not show.
        gateFeatures: 'masks',
        gradeDecision: 'median',
      },
      data: {
        imageSize: 96,
        segmentationPerBatch: 4,
        classificationPerBatch: 4,
        normalization: 'idrid',
        joinLabels: true,
        augment: { quarterTurns: false },
      },
      loss: {
        // MA, HE, EX, SE, OD: the rarer, the heavier.
        posWeight: [16, 6, 4, 8, 4],
        weighting: 'ew',
        segmentationWeight: 2,
      },
      optimizer: { lr: 4e-3, schedule: 'onecycle', warmupFraction: 0.2 },
      training: { epochs: 10, stepsPerEpoch: 21, validateEvery: 5, checkpointEvery: 21, routing: 'both' },
    },
  },
  'idrid-128': {
    description: 'IDRiD at 128x128 with a small ConvNeXt trained from scratch: a real run for a modest machine.',
    config: IDRID_128,
  },
  'idrid-joint': {
    description:
      'idrid-128 with every expert taught by every image that has a label for it, copies of one eye sharing their labels, light evened out (Ben Graham), grades seen in every stage and in what the masks find, both tasks weighted alike, grades as frequent as among graded pictures; 600 steps.',
    config: IDRID_JOINT,
  },
  'idrid-full': {
    description:
      'idrid-joint at 256x256, where small lesions keep pixels, with Dice over the batch, every kind of lesion drawn alike and stronger zoom and changes of light; 600 steps, meant to start from drawn retinas (docs/results.md).',
    config: IDRID_FULL,
  },
  'idrid-tiles': {
    description:
      'Small lesions: a narrow U-Net on tiles of 128x128, most of them on lesions, from pictures of 1424x1424, half of native resolution. Grades see whole pictures.',
    config: {
      model: {
        architecture: 'resnet-unet',
        unet: { encoder: { depths: [1, 1, 1, 1], widths: [16, 32, 64, 128] }, channels: [64, 48, 32, 16, 16] },
      },
      data: {
        ...SMALL_DATA,
        tiles: { mode: 'on', side: 1424, lesionFraction: 0.7 },
        normalization: 'idrid',
        augment: {
          quarterTurns: false,
          scale: [0.85, 1.25],
          colorJitter: { brightness: 0.2, contrast: 0.2, saturation: 0.15 },
        },
      },
      // MA, HE, EX, SE, OD: the rarer, the heavier. Dice is taken over the batch, so that a tile without a structure does not lower it.
      loss: { diceForm: 'smp', diceSmooth: 1, posWeight: [8, 4, 4, 8, 2], weighting: 'ew', labelSmoothing: 0.05 },
      optimizer: { lr: 3e-3, schedule: 'onecycle', warmupFraction: 0.2, emaDecay: 0.98 },
      // Validation predicts whole pictures tile by tile, which is slow, so it runs seldom.
      training: { ...SMALL_TRAINING, validateEvery: 10, routing: 'both' },
    },
  },
  'convnext-gated': {
    description:
      'The published ConvNeXt-gated multitask recipe (github.com/manish33scss/MultiClassModel_idrid at 21d48e3): tiny trunk, 512x512, ' +
      'decoder without skips, AdamW at a constant 1e-4, batch 4, 20 epochs.',
    config: CONVNEXT_GATED,
  },
  'convnext-gated-small': {
    description:
      'The ConvNeXt-gated recipe scaled to a modest machine and to training from scratch: a small trunk, 128x128, eight images per step, ' +
      'learning rate 1e-3; the published rate of 1e-4 is for pretrained weights.',
    config: {
      ...CONVNEXT_GATED,
      model: {
        ...CONVNEXT_GATED.model,
        trunk: { depths: [1, 1, 2, 1], dims: [40, 80, 160, 320] },
        decoderChannels: [128, 96, 64, 32],
        layerScaleInit: 0.1,
      },
      data: { ...CONVNEXT_GATED.data, ...SMALL_DATA },
      optimizer: { ...CONVNEXT_GATED.optimizer, lr: 1e-3 },
      training: SMALL_TRAINING,
    },
  },
  'resnet-unet': {
    description:
      'The published ResNet U-Net with a loss-weighting router (github.com/AnGoraGou/MultiTask_IDRID at d22514c): ResNet-34, 512x512, ' +
      'AdamW 7e-5 with cosine, batch 128, up to 100 epochs, all five structures and both grades.',
    config: RESNET_UNET,
  },
  'resnet-unet-disc': {
    description: 'resnet-unet as its authors trained it: the optic disc and the retinopathy grade alone.',
    config: { ...RESNET_UNET, model: { ...RESNET_UNET.model, structures: ['OD'], grades: 'retinopathy' } },
  },
  'resnet-unet-experts': {
    description: 'resnet-unet in its second form: grades from four convolution experts under a softmax gate.',
    config: {
      ...RESNET_UNET,
      model: { ...RESNET_UNET.model, unet: { ...RESNET_UNET.model?.unet, encoder: 'resnet18', classifier: 'experts' } },
    },
  },
  'resnet-unet-small': {
    description:
      'The ResNet U-Net recipe scaled to a modest machine and to training from scratch: a narrow encoder, 128x128, eight images per step, ' +
      'learning rate 1e-3; the published rate of 7e-5 is for pretrained weights.',
    config: {
      ...RESNET_UNET,
      model: {
        ...RESNET_UNET.model,
        unet: {
          ...RESNET_UNET.model?.unet,
          encoder: { depths: [1, 1, 1, 1], widths: [16, 32, 64, 128] },
          channels: [64, 48, 32, 16, 16],
        },
      },
      data: { ...RESNET_UNET.data, ...SMALL_DATA },
      optimizer: { ...RESNET_UNET.optimizer, lr: 1e-3 },
      training: { ...RESNET_UNET.training, ...SMALL_TRAINING, earlyStopping: 0 },
    },
  },
};
