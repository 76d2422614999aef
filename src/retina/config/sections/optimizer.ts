/** Knobs of the update: optimizer, learning rate and its schedule, clipping, averaging of weights. */
import { z } from 'zod';
import { weight } from './kinds.ts';

export const optimizer = z.strictObject({
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
