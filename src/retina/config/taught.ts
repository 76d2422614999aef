/** Which tasks a configuration teaches: what a network was never taught, it does not say. */
import type { Task } from '../domain.ts';
import type { TrainConfig } from './schema.ts';

/** Routings under which an image teaches every task that it has a label for, whichever task it was drawn for. */
const SHARING: readonly TrainConfig['training']['routing'][] = ['both', 'none', 'soft', 'hard', 'gumbel'];

/** Whether every image teaches each expert that it has a label for: then either expert knows it, and neither route is wrong. */
export function sharesImages({ data, training }: TrainConfig): boolean {
  return data.joinLabels && SHARING.includes(training.routing);
}

/** The tasks that training on such a configuration teaches. */
export function taughtTasks(config: TrainConfig): Readonly<Record<Task, boolean>> {
  const { data, loss } = config;
  const shares = sharesImages(config);
  return {
    segmentation: loss.segmentationWeight > 0 && (data.segmentationPerBatch > 0 || shares),
    classification: loss.classificationWeight > 0 && (data.classificationPerBatch > 0 || shares),
  };
}

/** Whether the gate is taught to tell tasks apart: that takes images drawn for both. */
export function isGateTaught({ data, training }: TrainConfig): boolean {
  return training.routing !== 'none' && data.segmentationPerBatch > 0 && data.classificationPerBatch > 0;
}

/** What reads the masks of a configuration that does not teach them; null where nothing does. Weights that are loaded may have been taught. */
export function untaughtMasksNote(config: TrainConfig): string | null {
  const { gateFeatures, gradeFeatures } = config.model;
  const readers = [
    ...(gateFeatures === 'masks' ? ['model.gateFeatures'] : []),
    ...(gradeFeatures === 'masks' || gradeFeatures === 'findings' ? ['model.gradeFeatures'] : []),
  ];
  if (readers.length === 0 || taughtTasks(config).segmentation) return null;
  const [verb, them] = readers.length > 1 ? ['are', 'them'] : ['is', 'it'];
  const values = [...new Set(readers.map((name) => (name === 'model.gateFeatures' ? gateFeatures : gradeFeatures)))];
  const { segmentationPerBatch } = config.data;
  const cause = segmentationPerBatch === 0 ? 'data.segmentationPerBatch is 0' : 'loss.segmentationWeight is 0';
  return `${readers.join(' and ')} ${verb} ${values.join(' and ')}, but no step teaches masks (${cause}): what they find is noise unless training.init brings taught ones. Teach masks, or set ${them} to pooled`;
}
