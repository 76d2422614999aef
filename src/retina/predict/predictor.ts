/** A trained network ready for use: the only way from prepared pictures to predictions. */
import type { Engine } from '../../engine/autograd/engine.ts';
import type { TrainConfig } from '../config/schema.ts';
import { taughtTasks } from '../config/taught.ts';
import type { PictureSource } from '../data/loading/pictureSource.ts';
import type { Sample } from '../data/pictures/sample.ts';
import type { Task } from '../domain.ts';
import type { MultitaskNet } from '../network/network.ts';
import { predictFlips, type TilePredictor } from './flips.ts';
import { FrameMapper, type FrameRow } from './frameMapper.ts';
import { NetworkReplay } from './networkReplay.ts';
import { type Prediction, routeOf, type TaskChoice } from './prediction.ts';
import type { TrainingSet } from '../run/trainingSetFormat.ts';
import { predictTiled, sideForTiles, type TiledSummary, type Tiling } from './slidingWindow.ts';

/** How a network's pictures are prepared: all that predicting one needs to know of its data. */
export type PreparedAs = Pick<PictureSource, 'options'>;

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

/** Options of a prediction. */
export interface PredictOptions {
  readonly choice: TaskChoice;
  /** Average probabilities over the four flips, at four times the work; the gate then routes by the mean. Default false. */
  readonly flips?: boolean;
}

/**
 * Runs a network on pictures. The first run on a shape of input is recorded and later ones are replayed, with the weights that the network
 * has at that time; whoever makes a predictor disposes of it.
 */
export class Predictor<Source extends PreparedAs = PictureSource> {
  readonly engine: Engine;
  readonly model: MultitaskNet;
  readonly config: TrainConfig;
  readonly source: Source;
  /** The tasks that the network was taught; the others' experts answer nothing. */
  readonly taught: Readonly<Record<Task, boolean>>;
  /** What the network was trained on; null where that is not recorded. */
  readonly trainingSet: TrainingSet | null;
  readonly #ownsModel: boolean;
  readonly #replay: NetworkReplay;

  constructor({
    engine,
    model,
    config,
    source,
    trainingSet = null,
    ownsModel = false,
    name = 'the network under training',
  }: PredictorParts<Source>) {
    this.engine = engine;
    this.model = model;
    this.config = config;
    this.source = source;
    this.taught = taughtTasks(config);
    this.trainingSet = trainingSet;
    this.#ownsModel = ownsModel;
    this.#replay = new NetworkReplay(engine, model, name);
  }

  /** The tiling that the network was trained for; null: it takes whole pictures. */
  get tiling(): Tiling | null {
    return this.config.data.tiles.mode === 'on' ? {} : null;
  }

  /** The experts that a prediction uses: `choice`, unless the network was trained with soft routing, which blends its experts. */
  ownChoice(choice: Task | 'both'): Exclude<TaskChoice, 'gate'> {
    return this.config.training.routing === 'soft' ? 'soft' : choice;
  }

  /**
   * The network's answer for each picture of a batch. Experts without pictures are not run.
   *
   * @param images [count, S, S, 3], normalized.
   * @throws GmtlError `infer/not-finite` where an answer is NaN or infinite.
   */
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

  /** Records what {@link predict} runs on a picture, so that the first one takes no longer than others. */
  async warmUp({ choice, flips = false }: PredictOptions): Promise<void> {
    const side = this.source.options.preprocess.size;
    await this.predict(new Float32Array(side * side * 3), 1, { choice, flips });
  }

  /** A prediction without the answers of experts that were never taught. */
  ofTaught(prediction: Prediction): Prediction {
    const { segmentation, classification } = this.taught;
    return {
      ...prediction,
      routed: {
        segmentation: prediction.routed.segmentation && segmentation,
        classification: prediction.routed.classification && classification,
      },
      ...(!segmentation && { masks: null }),
      ...(!classification && { retinopathy: null, edema: null }),
    };
  }

  /** Side at which a picture is prepared for {@link predictTiled}. */
  tiledSide(box: Sample['box'], tiling: Tiling): number {
    const { imageSize, tiles } = this.config.data;
    if (tiling.source != null) return sideForTiles(box.size, tiling.source, imageSize);
    return tiles.side ?? box.size;
  }

  /**
   * Predicts a picture's masks tile by tile and hands them on row by row of the frame.
   *
   * @param sample prepared at {@link tiledSide}; its masks are ignored.
   * @param row receives [columns, classes] of each frame row that the crop reaches.
   * @throws GmtlError `infer/tiles` as the sliding window.
   */
  predictTiled(sample: Sample, tiling: Tiling, flips: boolean, row: FrameRow): Promise<TiledSummary> {
    const { data, model } = this.config;
    const { source: _, ...given } = tiling;
    const classes = model.structures.length;
    const mapper = new FrameMapper(sample.box, sample.size, classes, row);
    const picture = { width: sample.size, height: sample.size, data: sample.image };
    const { normalization } = this.source.options;
    const options = { overlap: data.tiles.overlap, ...given, tile: data.imageSize, classes, normalization };
    // Tiles need segmentation's expert; those that grade need both.
    const choice = this.ownChoice(tiling.fusion === 'router' ? 'both' : 'segmentation');
    const run: TilePredictor = (images, count) => this.predict(images, count, { choice, flips });
    return predictTiled(run, picture, options, (top, count, values) => mapper.push(top, count, values));
  }

  /** Frees the memory that recorded inference holds; the next prediction records anew. */
  release(): void {
    this.#replay.dispose();
  }

  /** Frees the network and what was captured of it. */
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
