/** Every knob of training: its type, its limits, its default and the reason. The documentation is generated from this file. */
import { z } from 'zod';
import { STRUCTURES } from '../domain.ts';

const positiveInt = z.int().min(1);
const probability = z.number().min(0).max(1);
const weight = z.number().min(0);
const four = (description: string) =>
  z.tuple([positiveInt, positiveInt, positiveInt, positiveInt]).describe(description);

const customTrunk = z
  .strictObject({
    depths: four('ConvNeXt blocks in each of the four stages.'),
    dims: four('Channels of each of the four stages.'),
  })
  .describe('A ConvNeXt of your own.');

const STRUCTURE_KNOB = z.enum(STRUCTURES);

const unet = z
  .strictObject({
    encoder: z
      .union([
        z.enum(['resnet18', 'resnet34']),
        z
          .strictObject({
            depths: four('Basic blocks in each of the four stages.'),
            widths: four('Channels of each of the four stages.'),
          })
          .describe('A ResNet of your own.'),
      ])
      .default('resnet34')
      .describe('ResNet encoder (names and sizes as in torchvision), or {depths, widths}.'),
    channels: z
      .tuple([positiveInt, positiveInt, positiveInt, positiveInt, positiveInt])
      .default([256, 128, 64, 32, 16])
      .describe('Channels of the five decoder blocks, coarse to fine, as segmentation_models_pytorch has them.'),
    routerDropout: probability.default(0.2).describe('Dropout before the router network.'),
    classifier: z
      .enum(['linear', 'experts'])
      .default('linear')
      .describe(
        'Grading head: pooling and a linear layer, or four convolution experts under a softmax gate before the pooling.',
      ),
    expertDropout: probability.default(0.2).describe('Channel dropout in each convolution expert.'),
  })
  .describe('The resnet-unet architecture; other architectures do not read it.');

const model = z.strictObject({
  architecture: z
    .enum(['convnext-gated', 'resnet-unet'])
    .default('convnext-gated')
    .describe('Network: the ConvNeXt-gated one, or a ResNet U-Net with grading heads and a router.'),
  structures: z
    .array(STRUCTURE_KNOB)
    .min(1)
    .refine((list) => new Set(list).size === list.length, 'names a structure twice')
    .default([...STRUCTURES])
    .describe('Structures to segment, one output map each, in this order.'),
  grades: z
    .enum(['both', 'retinopathy', 'edema'])
    .default('both')
    .describe('Grades to predict: retinopathy, macular edema risk, or both.'),
  unet: unet.prefault({}),
  trunk: z
    .union([z.enum(['atto', 'femto', 'pico', 'nano', 'tiny', 'small', 'base', 'demo']), customTrunk])
    .default('atto')
    .describe(
      'Shared ConvNeXt trunk: a named variant (names and sizes as in timm), or {depths, dims}. atto is the smallest published one.',
    ),
  dropPath: probability
    .default(0)
    .describe('Stochastic depth of the last block; earlier blocks rise linearly from 0. ConvNeXt uses 0.1 for tiny.'),
  headDropout: probability.default(0.3).describe('Dropout in the gate and the two grading heads.'),
  decoderDropout: probability
    .default(0)
    .describe('Channel dropout after each decoder block. 0: the decoder is small and masks are few.'),
  decoderChannels: four('Channels of the four decoder blocks, coarse to fine.').default([256, 128, 64, 32]),
  decoderNorm: z
    .enum(['batch', 'layer', 'none'])
    .default('batch')
    .describe(
      'Normalization after each decoder convolution. batch learns several times faster than layer on few images; the published decoder has none.',
    ),
  headNorm: z
    .boolean()
    .default(true)
    .describe(
      "LayerNorm of the pooled features, as in ConvNeXt's own classifier; the published system leaves it out. Without effect where neither gate nor grades see them.",
    ),
  gradeDecision: z
    .enum(['mode', 'median'])
    .default('mode')
    .describe(
      'How a grade is decided from its probabilities: the most probable, or the median, which has the least expected distance in grades.',
    ),
  maskPrior: z
    .number()
    .gt(0)
    .lt(1)
    .default(0.02)
    .describe(
      'Probability the untrained mask head predicts: lesions are rare, and 0.5 everywhere costs the first epochs.',
    ),
  skipConnections: z
    .boolean()
    .default(true)
    .describe('U-Net skip connections from the trunk. Small lesions are lost without them.'),
  gateHidden: positiveInt.default(256).describe('Hidden width of the gate.'),
  retinopathyHidden: positiveInt.default(256).describe('Hidden width of the retinopathy head.'),
  edemaHidden: positiveInt.default(128).describe('Hidden width of the macular edema head.'),
  gradeFeatures: z
    .enum(['pooled', 'stages', 'findings', 'masks'])
    .default('pooled')
    .describe(
      "What the grading heads see: the pooled features of the last stage, as published; mean and maximum of every stage's map, which keep small lesions; those and what the masks find of each structure (largest logit, share of the image); what the masks find alone, without teaching them, which learns fastest where grades follow from lesions.",
    ),
  gateFeatures: z
    .enum(['pooled', 'masks'])
    .default('pooled')
    .describe(
      'What the gate sees: the pooled features of the last stage, as published; or what the masks find of each structure (largest logit, share of the image), without teaching them: lesions of a few pixels show there alone, but the masks of every image are then computed, whichever task it is routed to.',
    ),
  layerScaleInit: weight
    .default(1e-6)
    .describe(
      'Initial layer scale (gamma) of each block. 1e-6 as in ConvNeXt; raise it when training from scratch for few steps.',
    ),
  recompute: z
    .boolean()
    .default(false)
    .describe(
      'Keep only the input of each ConvNeXt block until backward and run the block again there: less memory, more time, the same gradients bit for bit.',
    ),
});

const jitter = (what: string) => probability.default(0).describe(`Largest relative change of ${what}; 0 turns it off.`);
const augment = z.strictObject({
  flips: z.boolean().default(true).describe('Mirror left-right and top-bottom, each half of the time.'),
  quarterTurns: z.boolean().default(true).describe('Turn by a random multiple of 90 degrees.'),
  scale: z
    .tuple([z.number().positive(), z.number().positive()])
    .default([0.9, 1.1])
    .describe('Random zoom [min, max]; [1, 1] turns it off.'),
  shift: probability.default(0.04).describe('Largest random shift of the view, as a part of the side.'),
  colorJitter: z
    .strictObject({
      brightness: jitter('brightness'),
      contrast: jitter('contrast'),
      saturation: jitter('saturation'),
      hue: z
        .number()
        .min(0)
        .max(0.5)
        .default(0)
        .describe('Largest turn of the hue either way, as a part of the full circle; 0 turns it off.'),
    })
    .prefault({}),
});

const tiles = z.strictObject({
  mode: z
    .enum(['off', 'on'])
    .default('off')
    .describe(
      'on: masks are learnt and predicted on tiles of imageSize pixels cut from a larger picture; grades see the whole picture.',
    ),
  side: z
    .int()
    .min(64)
    .nullable()
    .default(null)
    .describe('Side in pixels of the square field-of-view crop that tiles are cut from; null: native resolution.'),
  lesionFraction: probability
    .default(0.5)
    .describe('Part of the training tiles that are centered on a lesion; the others lie anywhere on the retina.'),
  overlap: z
    .number()
    .min(0)
    .max(0.9)
    .default(0.25)
    .describe('Overlap of neighboring tiles in prediction, as a part of their side (MONAI: 0.25).'),
});

const data = z.strictObject({
  imageSize: z
    .int()
    .min(32)
    .multipleOf(32, 'must be a multiple of 32: the trunk halves the image five times')
    .default(256)
    .describe('Side of the square network input, in pixels; a multiple of 32.'),
  storeSize: z
    .int()
    .min(32)
    .nullable()
    .default(null)
    .describe(
      'Side at which training images are kept, imageSize or more: zooming in then shows real detail instead of enlarged pixels. null: imageSize.',
    ),
  segmentationPerBatch: z.int().min(0).default(2).describe('Images with masks in each batch.'),
  classificationPerBatch: z.int().min(0).default(2).describe('Images with grades in each batch.'),
  maskResize: z
    .enum(['area-max', 'nearest'])
    .default('area-max')
    .describe('How masks shrink. area-max keeps a lesion of one source pixel; nearest loses most microaneurysms.'),
  augment: augment.prefault({}),
  clahe: z
    .union([
      z.literal(false),
      z.literal(true).transform(() => ({ clipLimit: 2, tiles: 8 })),
      z.strictObject({
        clipLimit: z
          .number()
          .positive()
          .default(2)
          .describe('Most times the mean count that a bin of a local histogram keeps.'),
        tiles: z.int().min(1).max(32).default(8).describe('Local histograms per side.'),
      }),
    ])
    .default(false)
    .describe(
      "Local equalization of the lightness (OpenCV's CLAHE on L of CIE L*a*b*): {clipLimit, tiles per side}; true: {2, 8}.",
    ),
  benGraham: z
    .boolean()
    .default(false)
    .describe(
      "Ben Graham's normalization: 4 (image - local mean) + gray, after CLAHE; gray outside 0.9 of the radius.",
    ),
  tiles: tiles.prefault({}),
  joinLabels: z
    .boolean()
    .default(false)
    .describe('Give copies of one picture (parts A and B share eyes) the labels of both, within a split.'),
  folds: z
    .int()
    .min(2)
    .nullable()
    .default(null)
    .describe('Cross-validation over the training split in this many folds; null: a held-out part.'),
  fold: z.int().min(0).default(0).describe('Which fold validates, counted from 0; only with folds.'),
  normalization: z
    .enum(['imagenet', 'idrid'])
    .default('imagenet')
    .describe('Channel means and deviations: imagenet suits pretrained weights, idrid training from scratch.'),
  validationFraction: z
    .number()
    .min(0)
    .max(0.5)
    .default(0.15)
    .describe(
      'Part of the training images held out to choose the best checkpoint. The official test split is never used for that.',
    ),
  cacheDir: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe(
      "Folder where decoded, resized images are kept between runs, keyed by content and settings; null: gmtl in the system's cache folder.",
    ),
  balanceGrades: z
    .boolean()
    .default(false)
    .describe('Draw every retinopathy grade equally often instead of as often as it occurs.'),
  balanceLesions: z
    .boolean()
    .default(false)
    .describe('Draw images with each of model.structures equally often: rare soft exudates are seen more.'),
  skipBad: z
    .boolean()
    .default(false)
    .describe('Leave out unreadable images, with a warning each, instead of stopping.'),
  prefetch: positiveInt.default(2).describe('Batches prepared ahead.'),
});

const loss = z.strictObject({
  bceWeight: weight.default(1).describe('Weight of the binary cross-entropy within the segmentation loss.'),
  diceWeight: weight.default(1).describe('Weight of 1 - Dice within the segmentation loss.'),
  diceSmooth: z
    .number()
    .positive()
    .default(1)
    .describe('Added to numerator and denominator of Dice. 1 keeps an empty mask from dominating.'),
  diceForm: z
    .enum(['sample', 'batch', 'smp'])
    .default('sample')
    .describe(
      'Over what Dice sums: each image and structure; the whole flattened batch; or each structure over the batch, as segmentation_models_pytorch.',
    ),
  tverskyAlpha: weight
    .default(0.5)
    .describe('Weight of false positives in Dice; 0.5 and 0.5 are Dice itself (Salehi et al. 2017).'),
  tverskyBeta: weight
    .default(0.5)
    .describe('Weight of false negatives in Dice; above tverskyAlpha it favors small lesions.'),
  focalGamma: weight
    .default(0)
    .describe('Focal exponent of the binary cross-entropy (Lin et al. 2017); 0: plain cross-entropy.'),
  focalAlpha: probability
    .nullable()
    .default(null)
    .describe('Focal weight of lesion pixels, 1 - alpha of the others; null: none.'),
  posWeight: z
    .union([z.number().positive(), z.array(z.number().positive()).min(1)])
    .default(1)
    .describe('Weight of lesion pixels in the cross-entropy: one number, or one for each of model.structures.'),
  gradeLoss: z
    .enum(['ce', 'corn'])
    .default('ce')
    .describe('Grading loss: cross-entropy, or CORN, which knows that grades are ordered (Shi et al. 2021).'),
  weighting: z
    .enum(['ew', 'counts', 'uw', 'dwa', 'gradnorm', 'pcgrad', 'router'])
    .default('counts')
    .describe(
      'How segmentation and grading losses are weighted against each other: ew equally; counts by their images in the batch (as published for the ' +
        'gated system); uw by learnt uncertainty; dwa by their rate of descent; gradnorm by gradient norms; pcgrad projects conflicting gradients; ' +
        'router by the router network.',
    ),
  routerForm: z
    .enum(['held', 'published'])
    .default('held')
    .describe(
      'Router weights: held up by a logarithmic barrier, or as published, where they can collapse to 0. Only with weighting router.',
    ),
  dwaTemperature: z.number().positive().default(2).describe('Temperature of dwa; the higher, the more equal.'),
  gradnormAlpha: weight.default(1.5).describe('How strongly gradnorm restores equal training rates.'),
  labelSmoothing: z.number().min(0).max(0.9).default(0).describe('Label smoothing of the grading losses.'),
  gateWeight: weight
    .default(1)
    .describe('Weight of the cross-entropy that teaches the gate which task an image is for.'),
  gateEntropyWeight: z
    .number()
    .default(0.01)
    .describe('Weight of the gate entropy added to the loss; positive values make the gate decide firmly.'),
  segmentationWeight: weight.default(1).describe('Weight of the segmentation loss in the sum.'),
  classificationWeight: weight.default(1).describe('Weight of the grading losses in the sum.'),
  classWeights: z
    .union([
      z.enum(['none', 'balanced', 'effective', 'natural']),
      z.strictObject({
        retinopathy: z.array(weight).length(5).describe('Weights of grades 0 to 4.'),
        edema: z.array(weight).length(3).describe('Weights of risks 0 to 2.'),
      }),
    ])
    .default('none')
    .describe(
      'Weights of the grades in their cross-entropies: none, balanced (inverse frequency in the training split), effective (inverse effective number, Cui et al. 2019, beta 0.99), natural (as often as among the graded pictures, although pictures with masks, most of them ill, are drawn for their masks as well), or explicit.',
    ),
});

const optimizer = z.strictObject({
  name: z.enum(['adamw', 'sgd']).default('adamw').describe('AdamW (decoupled decay), or SGD with momentum.'),
  lr: z.number().positive().default(1e-3).describe('Peak learning rate.'),
  weightDecay: weight
    .default(0.05)
    .describe('Decay of matrices and kernels; biases and one-dimensional parameters are never decayed.'),
  betas: z
    .tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)])
    .default([0.9, 0.999])
    .describe('Decay rates of the two AdamW moments.'),
  eps: z.number().positive().default(1e-8).describe('AdamW denominator offset.'),
  momentum: z.number().min(0).lt(1).default(0.9).describe('SGD momentum.'),
  schedule: z
    .enum(['constant', 'cosine', 'onecycle', 'poly', 'plateau'])
    .default('cosine')
    .describe('Course of the learning rate after warm-up.'),
  warmupSteps: z.int().min(0).nullable().default(null).describe('Steps of linear warm-up; null takes warmupFraction.'),
  warmupFraction: z
    .number()
    .min(0)
    .lt(1)
    .default(0.05)
    .describe('Warm-up as a part of all steps, used where warmupSteps is null.'),
  polyPower: z.number().positive().default(0.9).describe('Exponent of the poly schedule.'),
  plateauFactor: z
    .number()
    .gt(0)
    .lt(1)
    .default(0.1)
    .describe('What the plateau schedule multiplies the learning rate by.'),
  plateauPatience: z
    .int()
    .min(0)
    .default(10)
    .describe('Validations without improvement before the plateau schedule acts.'),
  layerDecay: z
    .number()
    .gt(0)
    .max(1)
    .default(1)
    .describe(
      'Learning rate factor from each layer of the trunk to the one below; 1: all learn alike. For fine-tuning 0.7 to 0.8.',
    ),
  minLr: weight
    .default(1e-6)
    .describe(
      'Learning rate at the end of a cosine or poly schedule, and the least of plateau. One-cycle ends at lr / 250,000, as in PyTorch.',
    ),
  gradClipNorm: weight.default(1).describe('Gradients are scaled down to this global norm; 0 turns clipping off.'),
  emaDecay: z
    .number()
    .min(0)
    .lt(1)
    .default(0)
    .describe('Decay of the averaged weights used for evaluation; 0 turns averaging off.'),
  emaWarmup: z
    .boolean()
    .default(true)
    .describe('Shorter averaging early on: decay = min(emaDecay, 1 - (1 + step)^(-2/3)), as in timm.'),
});

const training = z.strictObject({
  epochs: positiveInt.default(20).describe('Epochs to train.'),
  stepsPerEpoch: positiveInt
    .nullable()
    .default(null)
    .describe('Optimizer steps per epoch; null: one pass over the larger of the two pools.'),
  seed: z
    .int()
    .min(0)
    .max(0xffffffff)
    .default(42)
    .describe('Seed of initialization, data order, augmentation and dropout (32 bits).'),
  validateEvery: positiveInt.default(1).describe('Epochs between validations.'),
  checkpointEvery: positiveInt.default(100).describe('Steps between checkpoints, besides one at each end of an epoch.'),
  routing: z
    .enum(['supervised', 'soft', 'hard', 'gumbel', 'both', 'none'])
    .default('supervised')
    .describe(
      "Which expert learns from an image: supervised its own task's; soft both, blended by the gate; hard the one the gate chooses; gumbel a random " +
        'choice by the gate (straight-through); both every expert that has a label for it, with the gate trained beside; none the same without a gate.',
    ),
  gumbelTau: z
    .tuple([z.number().positive(), z.number().positive()])
    .default([1, 0.1])
    .describe('Temperature of the gumbel routing at the first and at the last step; it falls geometrically.'),
  precision: z
    .enum(['f32', 'f16'])
    .default('f32')
    .describe(
      'How activations and the gradients between layers are stored. f16 halves their memory; sums, weights, norms and losses stay float32, and ' +
        'the loss is scaled so that small gradients do not vanish. Falls back to f32 where the adapter has no shader-f16.',
    ),
  lossScaleInterval: positiveInt
    .default(2000)
    .describe(
      'With precision f16: finite steps after which the loss scale doubles (as in PyTorch); it halves after any other.',
    ),
  accumulate: positiveInt.default(1).describe('Batches whose gradients are averaged into one optimizer step.'),
  earlyStopping: z
    .int()
    .min(0)
    .default(0)
    .describe('Validations without a better bestMetric after which training ends; 0: never.'),
  keepBest: positiveInt.default(1).describe('How many of the best checkpoints are kept.'),
  bestMetric: z
    .string()
    .min(1)
    .default('score')
    .describe('Validation figure that ranks checkpoints; score: mean of mean Dice and AUROC.'),
  tensorboard: z
    .boolean()
    .default(true)
    .describe('Write TensorBoard event files into the run folder (about a kilobyte per step).'),
  conflictEvery: z
    .int()
    .min(0)
    .default(20)
    .describe(
      "Steps between measurements of the cosine between the tasks' gradients on the trunk (each costs about one backward pass); 0: never.",
    ),
  init: z
    .string()
    .min(1)
    .nullable()
    .default(null)
    .describe(
      'Weights to start from: a file with those of the trunk under the names of timm, torchvision or the original, or a run, whose decoder and heads are taken too where they fit.',
    ),
});

const referral = z.strictObject({
  retinopathy: z
    .int()
    .min(1)
    .max(4)
    .nullable()
    .default(2)
    .describe('Least retinopathy grade that is referred (moderate and worse); null: retinopathy does not count.'),
  edema: z
    .int()
    .min(1)
    .max(2)
    .nullable()
    .default(1)
    .describe('Least risk of macular edema that is referred (any hard exudates); null: edema does not count.'),
  sensitivity: z
    .number()
    .gt(0)
    .lt(1)
    .nullable()
    .default(null)
    .describe(
      'Sensitivity that the operating point is to reach on the validation pictures; null: 0.9, or what specificity says.',
    ),
  specificity: z
    .number()
    .gt(0)
    .lt(1)
    .nullable()
    .default(null)
    .describe('Specificity that it is to reach instead; null: it goes by sensitivity.'),
  coverage: z
    .number()
    .gt(0)
    .max(1)
    .default(0.9)
    .describe(
      'Share of the validation pictures that are decided on; scores nearer to the operating point are "not sure". 1: all.',
    ),
  error: z
    .number()
    .gt(0)
    .lt(1)
    .nullable()
    .default(null)
    .describe(
      'Instead of coverage: as many are decided on as keep the share of wrong decisions below this, with 95 % confidence.',
    ),
});

/**
 * The whole training configuration. Strict: unknown keys are errors. {@link resolveConfig} adds names, suggestions and origins to them.
 */
export const trainConfigSchema = z
  .strictObject({
    model: model.prefault({}),
    data: data.prefault({}),
    loss: loss.prefault({}),
    optimizer: optimizer.prefault({}),
    training: training.prefault({}),
    referral: referral.prefault({}),
    adapter: z
      .string()
      .min(1)
      .default('auto')
      .describe('WebGPU adapter: auto, or a kind or name as the doctor command lists them.'),
  })
  .superRefine((config, context) => {
    const report = (path: string[], message: string) => context.addIssue({ code: 'custom', path, message });
    if (config.data.segmentationPerBatch + config.data.classificationPerBatch === 0) {
      report(['data', 'segmentationPerBatch'], 'and data.classificationPerBatch are both 0: a batch needs an image');
    }
    const { posWeight } = config.loss;
    const { structures } = config.model;
    if (typeof posWeight !== 'number' && posWeight.length !== structures.length) {
      report(
        ['loss', 'posWeight'],
        `has ${posWeight.length} numbers for the ${structures.length} structures of model.structures (${structures.join(', ')}): give one for each, or a single number for all`,
      );
    }
    if (config.loss.classWeights === 'natural' && config.data.balanceGrades) {
      report(['loss', 'classWeights'], 'natural undoes what balanceGrades does: choose one of them');
    }
    if (config.loss.gradeLoss === 'corn' && (config.loss.labelSmoothing > 0 || config.loss.classWeights !== 'none')) {
      report(['loss', 'gradeLoss'], 'corn takes neither labelSmoothing nor classWeights: set them to 0 and none');
    }
    if (
      config.model.gradeFeatures !== 'pooled' &&
      config.model.architecture === 'resnet-unet' &&
      config.model.unet.classifier === 'experts'
    ) {
      report(
        ['model', 'gradeFeatures'],
        `${config.model.gradeFeatures} has no place for convolution experts: set model.unet.classifier to linear`,
      );
    }
    if (config.model.recompute && config.model.architecture !== 'convnext-gated') {
      report(['model', 'recompute'], 'is for ConvNeXt blocks, which only the architecture convnext-gated has');
    }
    if (config.data.folds !== null && config.data.fold >= config.data.folds) {
      report(['data', 'fold'], `is ${config.data.fold}, but folds are counted from 0 to ${config.data.folds - 1}`);
    }
    if (config.data.augment.scale[0] > config.data.augment.scale[1])
      report(['data', 'augment', 'scale'], 'must be [min, max] with min <= max');
    const { retinopathy, edema, sensitivity, specificity } = config.referral;
    if (sensitivity !== null && specificity !== null) {
      report(
        ['referral', 'specificity'],
        'and referral.sensitivity are both set: an operating point reaches one of them',
      );
    }
    if (retinopathy === null && edema === null) {
      report(['referral', 'retinopathy'], 'and referral.edema are both null: a referral needs a grade to go by');
    }
    if (config.optimizer.minLr > config.optimizer.lr) {
      report(
        ['optimizer', 'minLr'],
        `must not exceed optimizer.lr (${config.optimizer.minLr} > ${config.optimizer.lr})`,
      );
    }
    if (
      config.loss.bceWeight + config.loss.diceWeight === 0 &&
      config.data.segmentationPerBatch > 0 &&
      config.loss.segmentationWeight > 0
    ) {
      report(
        ['loss', 'bceWeight'],
        'and loss.diceWeight are both 0: masks would teach nothing (set loss.segmentationWeight to 0 if that is meant)',
      );
    }
  });

/** A complete, validated configuration. */
export type TrainConfig = z.output<typeof trainConfigSchema>;

/** A tree of {@link TrainConfig} with any part left out; tuples and lists are whole or absent. */
export type PartialConfig = DeepPartial<TrainConfig>;

type DeepPartial<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { [Key in keyof T]?: DeepPartial<T[Key]> }
    : T;
