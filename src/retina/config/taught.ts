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
