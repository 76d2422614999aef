/** The whole configuration of a training: its sections, whose knobs stand in sections/, and the rules between them. */
import { z } from 'zod';
import { data } from './sections/data.ts';
import { loss } from './sections/loss.ts';
import { model } from './sections/model.ts';
import { optimizer } from './sections/optimizer.ts';
import { referral } from './sections/referral.ts';
import { training } from './sections/training.ts';

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
