/** Knobs of the network. */
import { z } from 'zod';
import { STRUCTURES } from '../../domain.ts';
import { four, positiveInt, probability, weight } from './kinds.ts';

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

export const model = z.strictObject({
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
