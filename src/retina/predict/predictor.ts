/** A trained network on a device, ready for use. */
import { requireMade } from '../../engine/arguments.ts';
import type { Engine } from '../../engine/autograd/engine.ts';
import type { TrainConfig } from '../config/schema.ts';
import type { PictureSource } from '../data/loading/pictureSource.ts';
import type { MultitaskNet } from '../network/network.ts';
import { predictFlips, type TilePredictor } from './flips.ts';
import { NetworkReplay } from './networkReplay.ts';
import { PictureNetwork, type PredictOptions, type PreparedAs } from './pictureNetwork.ts';
import { type Prediction, routeOf } from './prediction.ts';
import type { TrainingSet } from '../run/trainingSetFormat.ts';

/** What a {@link Predictor} is made of. */
export interface PredictorParts<Source extends PreparedAs = PictureSource> {
  readonly engine: Engine;
  readonly model: MultitaskNet;
  /** The configuration that the network was trained under. */
  readonly config: TrainConfig;
  /** Where items' pictures come from, and how pictures are prepared. */
  readonly source: Source;
  /** What messages call the network: its weights' file. Default: the network under training. */
  readonly name?: string;
  /** What the network was trained on; null (default) where that is not recorded. */
  readonly trainingSet?: TrainingSet | null;
  /** Whether the network is disposed of with the predictor. Default false. */
  readonly ownsModel?: boolean;
}

/**
 * Runs a network on pictures. The first run on a shape of input is recorded and later ones are replayed, with the weights that the network
 * has at that time; whoever makes a predictor disposes of it.
 */
export class Predictor<Source extends PreparedAs = PictureSource> extends PictureNetwork<Source> {
  readonly engine: Engine;
  readonly model: MultitaskNet;
  readonly #ownsModel: boolean;
  readonly #replay: NetworkReplay;

  constructor(parts: PredictorParts<Source>) {
    requireMade('Predictor', 'the parts', parts, ['engine', 'model', 'config', 'source'], 'openPredictor');
    const { engine, model, config, source, trainingSet = null, ownsModel = false } = parts;
    const { name = 'the network under training' } = parts;
    super(config, source, trainingSet);
    this.engine = engine;
    this.model = model;
    this.#ownsModel = ownsModel;
    this.#replay = new NetworkReplay(engine, model, name);
  }

  async predict(
    images: Float32Array,
    count: number,
    { choice, flips = false }: PredictOptions,
  ): Promise<readonly Prediction[]> {
    // The gate might route the flips of a picture differently, so both experts run and the mean is routed.
    const isRoutedLater = flips && choice === 'gate';
    const run: TilePredictor = (views, rows) => this.#replay.predict(views, rows, isRoutedLater ? 'both' : choice);
    const predictions = await (flips ? predictFlips(run) : run)(images, count);
    return (isRoutedLater ? predictions.map(routedByGate) : predictions).map((one) => this.ofTaught(one));
  }

  /** Frees the memory that recorded inference holds; the weights stay, and the next prediction records anew. */
  release(): void {
    this.#replay.dispose();
  }

  /** Frees what was recorded, and the network where the predictor owns it, as that of `openPredictor` does. */
  dispose(): void {
    this.release();
    if (this.#ownsModel) this.model.dispose();
  }
}

/** Drops the answer of the expert that the gate does not choose. */
export function routedByGate(prediction: Prediction): Prediction {
  return routeOf(prediction).task === 'classification'
    ? { ...prediction, routed: { segmentation: false, classification: true }, masks: null }
    : { ...prediction, routed: { segmentation: true, classification: false }, retinopathy: null, edema: null };
}
