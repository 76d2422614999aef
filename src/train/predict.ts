import type { Engine } from '../autograd/engine.ts';
import type { Tensor } from '../autograd/tensor.ts';
import { type ExpertOutput, type MultitaskNet, type Routes, TASK_INDEX } from '../models/network.ts';
import * as F from '../nn/functional.ts';
import { blendExperts } from './routing.ts';

/**
 * Which expert sees an image: the gate's choice, both, both with their answers blended by the gate's probabilities (for networks
 * trained with soft routing), or always the same.
 */
export type TaskChoice = 'gate' | 'both' | 'soft' | 'segmentation' | 'classification';

/** What the network says of one image; an expert that did not run leaves null. */
export interface Prediction {
  /** Probabilities of segmentation and classification. */
  readonly gate: Float32Array;
  /** Where the image went. */
  readonly routed: { readonly segmentation: boolean; readonly classification: boolean };
  /** [S, S, masks] probabilities, row-major. */
  readonly masks: Float32Array | null;
  readonly retino: Float32Array | null;
  readonly edema: Float32Array | null;
}

const rows = (data: Float32Array, count: number): Float32Array[] => {
  const length = data.length / count;
  return Array.from({ length: count }, (_, row) => data.slice(row * length, (row + 1) * length));
};

function routesFor(choice: TaskChoice, gate: readonly Float32Array[]): Routes {
  const all = gate.map((_, row) => row);
  if (choice === 'both' || choice === 'soft') return { segmentation: all, classification: all };
  if (choice === 'segmentation') return { segmentation: all, classification: [] };
  if (choice === 'classification') return { segmentation: [], classification: all };
  // Equal probabilities go to segmentation, the lower index, as argmax does.
  const graded = (row: number): boolean => gate[row][TASK_INDEX.classification] > gate[row][TASK_INDEX.segmentation];
  return { segmentation: all.filter((row) => !graded(row)), classification: all.filter(graded) };
}

/** Runs the network on images [N, S, S, 3] (normalised). Experts without images are not run. */
export async function predict(
  engine: Engine,
  model: MultitaskNet,
  images: Float32Array,
  count: number,
  choice: TaskChoice,
): Promise<Prediction[]> {
  const side = Math.sqrt(images.length / count / 3);
  const wasTraining = model.training;
  model.eval();
  const owned: Tensor[] = [];
  const own = (tensor: Tensor): Tensor => {
    owned.push(tensor.keep());
    return tensor;
  };
  try {
    const image = own(engine.tensor(images, [count, side, side, 3]));
    const encoded = engine.noGrad(() => model.encode(image));
    for (const tensor of [...encoded.features, encoded.pooled, encoded.gateLogits]) own(tensor);
    const gateTensor = own(engine.noGrad(() => F.softmax(encoded.gateLogits)));
    const gate = rows((await gateTensor.data()) as Float32Array, count);
    const routes = routesFor(choice, gate);
    const output = engine.noGrad(() =>
      engine.scope((): ExpertOutput => {
        const experts = model.experts(encoded, routes, side, side);
        const { maskLogits, retinoLogits, edemaLogits } =
          choice === 'soft' ? blendExperts(experts, gateTensor, routes, model.maskPriorLogit) : experts;
        const grades = model.ordinal ? F.cornProbabilities : F.softmax;
        return {
          maskLogits: maskLogits?.sigmoid() ?? null,
          retinoLogits: retinoLogits && grades(retinoLogits),
          edemaLogits: edemaLogits && grades(edemaLogits),
        };
      }),
    );
    const read = async (tensor: Tensor | null, of: readonly number[]): Promise<Map<number, Float32Array>> => {
      if (!tensor) return new Map();
      const parts = rows((await own(tensor).data()) as Float32Array, of.length);
      return new Map(of.map((row, index) => [row, parts[index]]));
    };
    const masks = await read(output.maskLogits, routes.segmentation);
    const retino = await read(output.retinoLogits, routes.classification);
    const edema = await read(output.edemaLogits, routes.classification);
    return gate.map((probabilities, row) => ({
      gate: probabilities,
      routed: { segmentation: masks.has(row), classification: retino.has(row) || edema.has(row) },
      masks: masks.get(row) ?? null,
      retino: retino.get(row) ?? null,
      edema: edema.get(row) ?? null,
    }));
  } finally {
    for (const tensor of owned) tensor.dispose();
    model.train(wasTraining);
  }
}
