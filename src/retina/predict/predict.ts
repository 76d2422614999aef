import type { Engine } from '../../engine/autograd/engine.ts';
import type { Tensor } from '../../engine/autograd/tensor.ts';
import { RecentlyUsed, Replay } from '../../engine/autograd/replay.ts';
import type { Encoded, MultitaskNet, Routes } from '../network/network.ts';
import { TASK_INDEX } from '../domain.ts';
import * as F from '../../engine/nn/functional.ts';
import { blendExperts } from '../network/routing.ts';

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
  readonly retinopathy: Float32Array | null;
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

/** Inputs of so many shapes, and for each so many ways of routing, are kept recorded. */
const MOST_SHAPES = 4;
const MOST_ROUTES = 8;

/** Probabilities from the experts, in the order of their rows; null where one did not run. */
interface Answers {
  readonly masks: Tensor | null;
  readonly retinopathy: Tensor | null;
  readonly edema: Tensor | null;
}

/** Inference of one shape of input: the shared part, and the experts along each of several routes. */
class RecordedShape {
  readonly image: Tensor;
  readonly encoding: Replay<{ encoded: Encoded; gate: Tensor }>;
  readonly answers = new RecentlyUsed<Replay<Answers>>(MOST_ROUTES);

  constructor(image: Tensor, encoding: Replay<{ encoded: Encoded; gate: Tensor }>) {
    this.image = image;
    this.encoding = encoding;
  }

  dispose(): void {
    this.answers.dispose();
    this.encoding.dispose();
    this.image.dispose();
  }
}

/** A network's recorded inference. One prediction at a time: they share inputs and results. */
class Recordings {
  readonly engine: Engine;
  readonly #model: MultitaskNet;
  readonly #shapes = new RecentlyUsed<RecordedShape>(MOST_SHAPES);
  #last: Promise<unknown> = Promise.resolve();

  constructor(engine: Engine, model: MultitaskNet) {
    this.engine = engine;
    this.#model = model;
  }

  /** Runs `work` when all that was asked for before is done. */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** Runs the shared part on images [N, S, S, 3]. */
  async encode(images: Float32Array, shape: readonly number[]): Promise<RecordedShape> {
    const key = shape.join();
    const known = this.#shapes.get(key);
    if (known) {
      known.image.write(images);
      known.encoding.run();
      return known;
    }
    const image = this.engine.tensor(images, shape).keep();
    const encoding = await this.#record(() => {
      const encoded = this.#model.encode(image);
      return { encoded, gate: F.softmax(encoded.gateLogits) };
    });
    const made = new RecordedShape(image, encoding);
    this.#shapes.set(key, made);
    return made;
  }

  /** Runs the experts on what `encode` gave; `blended`: their answers weighted by the gate. */
  async answer(of: RecordedShape, routes: Routes, blended: boolean): Promise<Answers> {
    const key = JSON.stringify([routes.segmentation, routes.classification, blended]);
    const known = of.answers.get(key);
    if (known) {
      known.run();
      return known.result;
    }
    const [, height, width] = of.image.shape;
    const made = await this.#record((): Answers => {
      const { encoded, gate } = of.encoding.result;
      const experts = this.#model.experts(encoded, routes, height, width);
      const { maskLogits, retinopathyLogits, edemaLogits } = blended
        ? blendExperts(experts, gate, routes, this.#model.maskPriorLogit)
        : experts;
      const grades = this.#model.ordinal ? F.cornProbabilities : F.softmax;
      return {
        masks: maskLogits?.sigmoid() ?? null,
        retinopathy: retinopathyLogits && grades(retinopathyLogits),
        edema: edemaLogits && grades(edemaLogits),
      };
    });
    of.answers.set(key, made);
    return made.result;
  }

  #record<T>(body: () => T): Promise<Replay<T>> {
    return Replay.capture(this.engine, () => {
      const wasTraining = this.#model.training;
      this.#model.eval();
      try {
        return body();
      } finally {
        this.#model.train(wasTraining);
      }
    });
  }

  dispose(): void {
    this.#shapes.dispose();
  }
}

function recordingsOf(engine: Engine, model: MultitaskNet): Recordings {
  const present = model.recordings;
  if (present instanceof Recordings && present.engine === engine) return present;
  model.releaseRecordings();
  const made = new Recordings(engine, model);
  model.recordings = made;
  return made;
}

/**
 * Runs the network on images [N, S, S, 3] (normalised). Experts without images are not run. The first run on a shape is recorded and later
 * ones are replayed, with the weights of then: the recordings belong to the network (`releaseRecordings` frees them).
 */
export function predict(
  engine: Engine,
  model: MultitaskNet,
  images: Float32Array,
  count: number,
  choice: TaskChoice,
): Promise<Prediction[]> {
  const recordings = recordingsOf(engine, model);
  return recordings.inTurn(async () => {
    const side = Math.sqrt(images.length / count / 3);
    const encoding = await recordings.encode(images, [count, side, side, 3]);
    const gate = rows((await encoding.encoding.result.gate.data()) as Float32Array, count);
    const routes = routesFor(choice, gate);
    const answers = await recordings.answer(encoding, routes, choice === 'soft');
    const read = async (tensor: Tensor | null, of: readonly number[]): Promise<Map<number, Float32Array>> => {
      if (!tensor) return new Map();
      const parts = rows((await tensor.data()) as Float32Array, of.length);
      return new Map(of.map((row, index) => [row, parts[index]]));
    };
    const masks = await read(answers.masks, routes.segmentation);
    const retinopathy = await read(answers.retinopathy, routes.classification);
    const edema = await read(answers.edema, routes.classification);
    return gate.map((probabilities, row) => ({
      gate: probabilities,
      routed: { segmentation: masks.has(row), classification: retinopathy.has(row) || edema.has(row) },
      masks: masks.get(row) ?? null,
      retinopathy: retinopathy.get(row) ?? null,
      edema: edema.get(row) ?? null,
    }));
  });
}
