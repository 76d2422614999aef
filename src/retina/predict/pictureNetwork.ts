/** What prepared pictures pass through, wherever the network itself runs: the only way from them to predictions. */
import { requireMade } from '../../engine/arguments.ts';
import { requireConfig } from '../config/resolve.ts';
import type { TrainConfig } from '../config/schema.ts';
import { taughtTasks } from '../config/taught.ts';
import type { PictureSource } from '../data/loading/pictureSource.ts';
import type { Sample } from '../data/pictures/sample.ts';
import type { Task } from '../domain.ts';
import type { TilePredictor } from './flips.ts';
import { FrameMapper, type FrameRows } from './frameMapper.ts';
import type { Prediction, TaskChoice } from './prediction.ts';
import type { TrainingSet } from '../run/trainingSetFormat.ts';
import { predictTiled, sideForTiles, type TiledSummary, type Tiling } from './slidingWindow.ts';

/** How a network's pictures are prepared: all that predicting one needs to know of its data. */
export type PreparedAs = Pick<PictureSource, 'options'>;

/** Options of a prediction. */
export interface PredictOptions {
  readonly choice: TaskChoice;
  /** Average probabilities over the four flips, at four times the work; the gate then routes by the mean. Default false. */
  readonly flips?: boolean;
}

/** As {@link PictureNetwork.predict}. */
export type Predict = (images: Float32Array, count: number, options: PredictOptions) => Promise<readonly Prediction[]>;

/**
 * A network as pictures see it: its configuration, how pictures are prepared for it, and its answers, wherever and on however many
 * networks it runs. `openPredictor` makes one.
 */
export abstract class PictureNetwork<Source extends PreparedAs = PictureSource> {
  /** The configuration that the network was trained under. */
  readonly config: TrainConfig;
  readonly source: Source;
  /** The tasks that the network was taught; the others' experts answer nothing. */
  readonly taught: Readonly<Record<Task, boolean>>;
  /** What the network was trained on; null where that is not recorded. */
  readonly trainingSet: TrainingSet | null;

  constructor(config: TrainConfig, source: Source, trainingSet: TrainingSet | null) {
    requireConfig('a predictor', config);
    requireMade('a predictor', 'source', source, ['options'], 'openPredictor');
    this.config = config;
    this.source = source;
    this.taught = taughtTasks(config);
    this.trainingSet = trainingSet;
  }

  /**
   * The network's answer for each picture of a batch. Experts without pictures are not run.
   *
   * @param images [count, S, S, 3], normalized.
   * @throws GmtlError `infer/not-finite` where an answer is NaN or infinite.
   */
  abstract predict(images: Float32Array, count: number, options: PredictOptions): Promise<readonly Prediction[]>;

  /** The tiling that the network was trained for; null: it takes whole pictures. */
  get tiling(): Tiling | null {
    return this.config.data.tiles.mode === 'on' ? {} : null;
  }

  /** The experts that a prediction uses: `choice`, unless the network was trained with soft routing, which blends its experts. */
  ownChoice(choice: Task | 'both'): Exclude<TaskChoice, 'gate'> {
    return this.config.training.routing === 'soft' ? 'soft' : choice;
  }

  /** Records what {@link predict} runs on a picture, so that the first one takes no longer than others. */
  async warmUp({ choice, flips = false }: PredictOptions): Promise<void> {
    const side = this.source.options.preprocess.size;
    await this.predict(new Float32Array(side * side * 3), 1, { choice, flips });
  }

  /** A prediction without the answers of experts that the run never taught: their masks or grades become null, and they count as not run. */
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
   * @param rows take each frame row that the crop reaches.
   * @throws GmtlError `infer/tiles` as the sliding window.
   */
  predictTiled(sample: Sample, tiling: Tiling, flips: boolean, rows: FrameRows): Promise<TiledSummary> {
    const { data, model } = this.config;
    const { source: _, ...given } = tiling;
    const classes = model.structures.length;
    const mapper = new FrameMapper(sample.box, sample.size, classes, rows);
    const picture = { width: sample.size, height: sample.size, data: sample.image };
    const { normalization } = this.source.options;
    const options = { overlap: data.tiles.overlap, ...given, tile: data.imageSize, classes, normalization };
    // Tiles need segmentation's expert; those that grade need both.
    const choice = this.ownChoice(tiling.fusion === 'router' ? 'both' : 'segmentation');
    const run: TilePredictor = (images, count) => this.predict(images, count, { choice, flips });
    return predictTiled(run, picture, options, (top, count, values) => mapper.push(top, count, values));
  }
}

/** A network that runs elsewhere: in another thread, or in batches. */
export class GivenNetwork extends PictureNetwork<PreparedAs> {
  readonly predict: Predict;

  constructor(config: TrainConfig, source: PreparedAs, trainingSet: TrainingSet | null, predict: Predict) {
    super(config, source, trainingSet);
    this.predict = predict;
  }
}
