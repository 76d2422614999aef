/** A network's inference, recorded at the first run on a shape of input and replayed at later ones. */
import type { Engine } from '../../engine/autograd/engine.ts';
import { RecentlyUsed, Replay } from '../../engine/autograd/replay.ts';
import type { Tensor } from '../../engine/autograd/tensor.ts';
import { GmtlError } from '../../engine/errors.ts';
import * as F from '../../engine/nn/functional.ts';
import type { Encoded, MultitaskNet, Routes } from '../network/network.ts';
import { blendExperts } from '../network/routing.ts';
import { type Prediction, routeOf, type TaskChoice } from './prediction.ts';

/** The most input shapes that are kept, and for each of them the most routings. */
const MOST_SHAPES = 4;
const MOST_ROUTES = 8;

/** Probabilities from the experts, in the order of their rows; null where one did not run. */
interface Answers {
  readonly masks: Tensor | null;
  readonly retinopathy: Tensor | null;
  readonly edema: Tensor | null;
}

/** Inference on one shape of input: the shared part, and the experts along each of several routes. */
class ShapeReplay {
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

const rows = (data: Float32Array, count: number): Float32Array[] => {
  const length = data.length / count;
  return Array.from({ length: count }, (_, row) => data.slice(row * length, (row + 1) * length));
};

/** @param gate the probabilities of each row; needed for the choice `gate` alone. */
function routesFor(choice: TaskChoice, count: number, gate: readonly Float32Array[]): Routes {
  const all = Array.from({ length: count }, (_, row) => row);
  if (choice === 'both' || choice === 'soft') return { segmentation: all, classification: all };
  if (choice === 'segmentation') return { segmentation: all, classification: [] };
  if (choice === 'classification') return { segmentation: [], classification: all };
  const graded = (row: number): boolean => routeOf({ gate: gate[row] }).task === 'classification';
  return { segmentation: all.filter((row) => !graded(row)), classification: all.filter(graded) };
}

/**
 * Runs a network on batches of images; experts without images are not run. Runs take turns, because they share inputs and results. A
 * replay uses the weights that the network has at that time.
 */
export class NetworkReplay {
  readonly #engine: Engine;
  readonly #model: MultitaskNet;
  readonly #name: string;
  readonly #shapes = new RecentlyUsed<ShapeReplay>(MOST_SHAPES);
  #last: Promise<unknown> = Promise.resolve();

  /** @param name the network's, for messages. */
  constructor(engine: Engine, model: MultitaskNet, name = 'the network') {
    this.#engine = engine;
    this.#model = model;
    this.#name = name;
  }

  /**
   * The device takes the next run in once this one's answers are on their way, so that it computes while they are read.
   *
   * @param images [count, S, S, 3], normalized. @throws GmtlError `infer/not-finite` where an answer is NaN or infinite.
   */
  predict(images: Float32Array, count: number, choice: TaskChoice): Promise<Prediction[]> {
    const issued = this.#last.then(() => this.#issue(images, count, choice));
    this.#last = issued.catch(() => undefined);
    return issued.then(({ predictions }) => predictions);
  }

  /** Hands a run to the device; resolves once all of it, copies of its answers too, is in the device's queue. */
  async #issue(
    images: Float32Array,
    count: number,
    choice: TaskChoice,
  ): Promise<{ predictions: Promise<Prediction[]> }> {
    const side = Math.sqrt(images.length / count / 3);
    const shape = await this.#encode(images, [count, side, side, 3]);
    const readGate = async (): Promise<Float32Array[]> =>
      rows(this.#finite('gate', (await shape.encoding.result.gate.data()) as Float32Array), count);
    // Only a gate that routes must be known before the experts run.
    const known = choice === 'gate' ? await readGate() : null;
    const routes = routesFor(choice, count, known ?? []);
    const answers = await this.#answer(shape, routes, choice === 'soft');
    const predictions = this.#read(known ?? readGate(), answers, routes);
    // Whoever asked gets its failure.
    predictions.catch(() => undefined);
    return { predictions };
  }

  async #read(
    readingGate: Float32Array[] | Promise<Float32Array[]>,
    answers: Answers,
    routes: Routes,
  ): Promise<Prediction[]> {
    const read = async (
      name: string,
      tensor: Tensor | null,
      of: readonly number[],
    ): Promise<Map<number, Float32Array>> => {
      if (!tensor) return new Map();
      const parts = rows(this.#finite(name, (await tensor.data()) as Float32Array), of.length);
      return new Map(of.map((row, index) => [row, parts[index]]));
    };
    const [gate, masks, retinopathy, edema] = await Promise.all([
      readingGate,
      read('masks', answers.masks, routes.segmentation),
      read('retinopathy grade', answers.retinopathy, routes.classification),
      read('edema grade', answers.edema, routes.classification),
    ]);
    return gate.map((probabilities, row) => ({
      gate: probabilities,
      routed: { segmentation: masks.has(row), classification: retinopathy.has(row) || edema.has(row) },
      masks: masks.get(row) ?? null,
      retinopathy: retinopathy.get(row) ?? null,
      edema: edema.get(row) ?? null,
    }));
  }

  #finite(answer: string, values: Float32Array): Float32Array {
    let at = 0;
    while (at < values.length && Number.isFinite(values[at])) at++;
    if (at === values.length) return values;
    throw new GmtlError(
      'infer/not-finite',
      `${this.#name}: the network's ${answer} is ${values[at]}, no probability. It diverged in training, or overflows in float16: ` +
        'use another checkpoint, or --precision f32.',
    );
  }

  /** Runs the shared part on images [N, S, S, 3]. */
  async #encode(images: Float32Array, shape: readonly number[]): Promise<ShapeReplay> {
    const key = shape.join();
    const known = this.#shapes.get(key);
    if (known) {
      known.image.write(images);
      known.encoding.run();
      return known;
    }
    const image = this.#engine.tensor(images, shape).keep();
    const encoding = await this.#capture(() => {
      const encoded = this.#model.encode(image);
      return { encoded, gate: F.softmax(encoded.gateLogits) };
    });
    const made = new ShapeReplay(image, encoding);
    this.#shapes.set(key, made);
    return made;
  }

  /** Runs the experts on the output of `#encode`; `blended`: their answers are weighted by the gate. */
  async #answer(of: ShapeReplay, routes: Routes, blended: boolean): Promise<Answers> {
    const key = JSON.stringify([routes.segmentation, routes.classification, blended]);
    const known = of.answers.get(key);
    if (known) {
      known.run();
      return known.result;
    }
    const [, height, width] = of.image.shape;
    const made = await this.#capture((): Answers => {
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

  #capture<T>(body: () => T): Promise<Replay<T>> {
    return Replay.capture(this.#engine, () => {
      const wasTraining = this.#model.training;
      this.#model.eval();
      try {
        return body();
      } finally {
        this.#model.train(wasTraining);
      }
    });
  }

  /** Frees the memory of the recordings; the next run records anew. */
  dispose(): void {
    this.#shapes.dispose();
  }
}
