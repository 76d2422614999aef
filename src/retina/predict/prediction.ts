/** A network's answer for a picture, and the choice of experts that see it. */
import { type GradedTask, type Task, TASKS } from '../domain.ts';
import { argmax } from '../metrics/inputs.ts';

/**
 * Which expert sees an image: the gate's choice, both, both with their answers blended by the gate's probabilities (for networks
 * trained with soft routing), or always the same.
 */
export type TaskChoice = 'gate' | 'both' | 'soft' | Task;

/** How far the answers that a mean was made of disagree on the grades, see `disagreement`; null where there are none. */
export type Spread = Readonly<Record<GradedTask, number | null>>;

/** The network's answer for one image; null from an expert that did not run. */
export interface Prediction {
  /** Probabilities of segmentation and classification. */
  readonly gate: Float32Array;
  /** The experts that the image went to. */
  readonly routed: Readonly<Record<Task, boolean>>;
  /** [S, S, masks] probabilities, row-major. */
  readonly masks: Float32Array | null;
  readonly retinopathy: Float32Array | null;
  readonly edema: Float32Array | null;
  /** Of the four flips, and of the networks of an ensemble, where the answer is their mean. */
  readonly spread?: { readonly flips?: Spread; readonly networks?: Spread };
}

/** Where a prediction's gate sends the picture: equal probabilities go to segmentation, the lower index, as argmax does. */
export function routeOf({ gate }: Pick<Prediction, 'gate'>): { readonly task: Task; readonly probability: number } {
  const route = argmax(gate, 0, gate.length);
  return { task: TASKS[route], probability: gate[route] };
}
