/** Knobs of what is minimized: the losses, their weights, and how the tasks are weighted against each other. */
import { z } from 'zod';
import { probability, weight } from './kinds.ts';

export const loss = z.strictObject({
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
