/** Which tasks a configuration teaches: what a network was never taught, it does not say. */
import type { Task } from '../domain.ts';
import type { TrainConfig } from './schema.ts';

/** Routings under which an image teaches every task that it has a label for, whichever task it was drawn for. */
const SHARING: readonly TrainConfig['training']['routing'][] = ['both', 'none', 'soft', 'hard', 'gumbel'];

/** The tasks that training on such a configuration teaches. */
export function taughtTasks({ data, loss, training }: TrainConfig): Readonly<Record<Task, boolean>> {
  const shares = data.joinLabels && SHARING.includes(training.routing);
  return {
    segmentation: loss.segmentationWeight > 0 && (data.segmentationPerBatch > 0 || shares),
    classification: loss.classificationWeight > 0 && (data.classificationPerBatch > 0 || shares),
  };
}

/** Whether the gate is taught to tell tasks apart: that takes images drawn for both. */
export function isGateTaught({ data, training }: TrainConfig): boolean {
  return training.routing !== 'none' && data.segmentationPerBatch > 0 && data.classificationPerBatch > 0;
}
