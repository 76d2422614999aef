/** Runs the network on a decoded picture and gives its answer in the picture's own frame, in Node and in browsers alike. */
import { checkAttributes, requireMade } from '../../engine/arguments.ts';
import { GmtlError } from '../../engine/errors.ts';
import type { DecodedImage } from '../data/pictures/decoded.ts';
import { imageTensor } from '../data/loading/batch.ts';
import { type Square, squareOf } from '../data/pictures/prepare.ts';
import type { PreprocessOptions, Sample } from '../data/pictures/sample.ts';
import type { RgbImage, Structure } from '../domain.ts';
import { FrameMapper, MaskPlanes } from './frameMapper.ts';
import { type Prediction, routeOf, type TaskChoice } from './prediction.ts';
import type { PictureNetwork, PreparedAs } from './pictureNetwork.ts';
import { describeResult, type Inferred, type StructureRecord } from './result.ts';
import type { Tiling } from './slidingWindow.ts';
import { judgePicture } from './trust.ts';

/** Options of {@link inferPicture}. */
export interface InferOptions {
  readonly choice: TaskChoice;
  /** A pixel belongs to a structure when its probability, mapped onto the frame, is at least this: one for all, or by structure (else 0.5). */
  readonly threshold: number | StructureRecord<number>;
  /** Masks from tiles; null: from the whole picture. Default: tiles where `data.tiles.mode` is on. Grades: see {@link Tiling}. */
  readonly tiling?: Tiling | null;
  /** Average over the four flips. Default false. */
  readonly flips?: boolean;
  /** What becomes of a picture that cannot be graded: `skip` refuses it; `warn` (default) and `refer` predict it with a warning, and decide on it whatever its score. */
  readonly ungradable?: 'refer' | 'skip' | 'warn';
}

/** Prepares a picture for the network: `preprocessImage` in Node, `preparePicture` in browsers. `square`: the picture, cut as the options say. */
export type PreparePicture = (
  image: RgbImage,
  name: string,
  options: PreprocessOptions,
  square?: Square,
) => Promise<Sample>;

/**
 * Prepares a picture as the predictor's pictures are and runs the network on it.
 *
 * @param file the picture's name, for the result and for errors.
 * @throws GmtlError `infer/no-fundus` naming the file, and `infer/ungradable` where such pictures are to be skipped.
 */
export async function inferPicture(
  predictor: PictureNetwork<PreparedAs>,
  image: DecodedImage,
  file: string,
  preparePicture: PreparePicture,
  options: InferOptions,
): Promise<Inferred> {
  requireMade('inferPicture', 'predictor', predictor, ['config', 'source', 'predict'], 'openPredictor');
  requireMade('inferPicture', 'image', image, ['width', 'height', 'data'], 'decodeImage');
  checkAttributes('inferPicture', { file: 'text', preparePicture: 'call' }, { file, preparePicture });
  requireMade('inferPicture', 'options', options, ['choice', 'threshold'], "{ choice: 'gate', threshold: 0.5 }");
  const { config, source } = predictor;
  const { preprocess, normalization } = source.options;
  const tiling = options.tiling === undefined ? predictor.tiling : options.tiling;
  // A picture is prepared at two to four sizes, and cut once.
  const squares = new Map<PreprocessOptions['crop'], Square>();
  const prepareAs = async (as: PreprocessOptions): Promise<Sample> => {
    const square = squares.get(as.crop) ?? squareOf(image, file, as.crop);
    squares.set(as.crop, square);
    return preparePicture(image, file, as, square);
  };
  const trust = await judgePicture(prepareAs, predictor.trainingSet);
  const { gradable, reasons } = trust.gradability;
  if (!gradable && options.ungradable === 'skip') {
    const why = reasons.map(({ text }) => text).join('; ');
    throw new GmtlError('infer/ungradable', `${file}: not gradable (${why}). Nothing was predicted for it.`);
  }
  const prepare = (size: number, normalized = true): Promise<Sample> =>
    prepareAs({ ...preprocess, size, ...(!normalized && { clahe: null, benGraham: false }) }).catch(
      (cause: unknown) => {
        if (!(cause instanceof GmtlError) || cause.code !== 'data/no-field-of-view') throw cause;
        throw new GmtlError(
          'infer/no-fundus',
          `${file}: no bright disc in the picture; it is black, or no fundus photograph. Nothing was predicted for it.`,
          { cause },
        );
      },
    );
  const sample = await prepare(preprocess.size);
  // Whether the picture looks like a fundus is judged by its original colors, which CLAHE changes and Ben Graham's normalization removes.
  const own = preprocess.clahe === null && !preprocess.benGraham ? sample : await prepare(preprocess.size, false);
  // As large as the picture itself, which many hold while they wait for the device.
  if (tiling === null) squares.clear();
  const input = imageTensor(sample, normalization);
  const whole = predictor.ofTaught(await predictWhole(predictor, input, options, tiling !== null));
  if (!whole.routed.segmentation)
    return { result: describeResult(file, image, own, whole, null, 0, trust, config.model), image, masks: null };
  const { structures } = config.model;
  const planes = new MaskPlanes(
    image.width,
    image.height,
    structures.map((structure) => thresholdOf(options.threshold, structure)),
  );
  let prediction = whole;
  let tiles = 0;
  if (tiling !== null) {
    const large = await prepare(predictor.tiledSide(sample.box, tiling));
    squares.clear();
    const summary = await predictor.predictTiled(large, tiling, options.flips ?? false, planes);
    tiles = summary.tiles;
    // Router fusion takes the grades from the tiles.
    if (tiling.fusion === 'router' && whole.routed.classification) {
      const { spread: _, ...others } = whole;
      prediction = { ...others, retinopathy: summary.retinopathy, edema: summary.edema };
    }
  } else {
    const side = sample.size;
    const mapper = new FrameMapper(sample.box, side, structures.length, planes);
    if (whole.masks !== null) mapper.push(0, side, whole.masks);
  }
  const masks = Object.fromEntries(structures.map((structure, index) => [structure, planes.masks[index]]));
  return { result: describeResult(file, image, own, prediction, masks, tiles, trust, config.model), image, masks };
}

/** Gate, grades and, where they do not come from tiles, masks of the whole picture. */
async function predictWhole(
  predictor: PictureNetwork<PreparedAs>,
  input: Float32Array,
  { choice, flips = false }: InferOptions,
  tiled: boolean,
): Promise<Prediction> {
  if (!tiled || choice === 'soft' || (choice === 'gate' && !flips)) {
    return (await predictor.predict(input, 1, { choice, flips }))[0];
  }
  // With tiles, only the gate and the grades come from the whole picture, so the classification expert runs, usually the cheaper one.
  const [one] = await predictor.predict(input, 1, { choice: 'classification', flips });
  const wanted = choice === 'gate' ? routeOf(one).task : choice;
  const routed = { segmentation: wanted !== 'classification', classification: wanted !== 'segmentation' };
  return routed.classification ? { ...one, routed } : { ...one, routed, retinopathy: null, edema: null };
}

function thresholdOf(threshold: InferOptions['threshold'], structure: Structure): number {
  return typeof threshold === 'number' ? threshold : (threshold[structure] ?? 0.5);
}
