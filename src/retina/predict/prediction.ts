/** What a network says of a picture, and which of its experts see one. */
import { type Task, TASKS } from '../domain.ts';
import { argmax } from '../metrics/inputs.ts';

/**
 * Which expert sees an image: the gate's choice, both, both with their answers blended by the gate's probabilities (for networks
 * trained with soft routing), or always the same.
 */
export type TaskChoice = 'gate' | 'both' | 'soft' | Task;

/** What the network says of one image; an expert that did not run leaves null. */
export interface Prediction {
  /** Probabilities of segmentation and classification. */
  readonly gate: Float32Array;
  /** Where the image went. */
  readonly routed: Readonly<Record<Task, boolean>>;
  /** [S, S, masks] probabilities, row-major. */
  readonly masks: Float32Array | null;
  readonly retinopathy: Float32Array | null;
  readonly edema: Float32Array | null;
}

/** Where a prediction's gate sends the picture: equal probabilities go to segmentation, the lower index, as argmax does. */
export function routeOf({ gate }: Pick<Prediction, 'gate'>): { readonly task: Task; readonly probability: number } {
  const route = argmax(gate, 0, gate.length);
  return { task: TASKS[route], probability: gate[route] };
}
