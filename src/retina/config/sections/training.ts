/** Knobs of the course of training: its length, seed, routing, precision, checkpoints, and the weights that it starts from. */
import { z } from 'zod';
import { positiveInt } from './kinds.ts';

export const training = z.strictObject({
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
  // Of a step, all batches are in memory at once.
  accumulate: positiveInt
    .max(4096)
    .default(1)
    .describe('Batches whose gradients are averaged into one optimizer step.'),
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
