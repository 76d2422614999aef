/** Runs the network on an image file and gives its answer in the image's own frame. */
import { basename } from 'node:path';
import { imageTensor } from '../data/loading/batch.ts';
import type { RgbImage } from '../domain.ts';
import { decodeImage, preprocessImage } from '../data/pictures/preprocess.ts';
import type { Sample } from '../data/pictures/sample.ts';
import { GRADINGS, type Structure, STRUCTURE_NAMES, STRUCTURES, type Task, TASKS } from '../domain.ts';
import { GmtlError } from '../../engine/errors.ts';
import { countComponents } from '../metrics/components.ts';
import { decideGrade, type GradeDecision } from '../metrics/inputs.ts';
import type { TrainConfig } from '../config/schema.ts';
import { FrameMapper, MaskPlanes } from './frameMapper.ts';
import { type Prediction, routeOf, type TaskChoice } from './prediction.ts';
import type { Predictor } from './predictor.ts';
import type { Tiling } from './slidingWindow.ts';

/** A grade, its name, and the probability of every grade from 0. */
export interface Grade {
  readonly grade: number;
  readonly name: string;
  readonly probabilities: readonly number[];
}

/** One structure in the original frame. */
export interface StructureResult {
  readonly name: string;
  readonly pixels: number;
  /** Pixels as a share of the whole frame. */
  readonly share: number;
  /** 8-connected regions. */
  readonly regions: number;
}

/** One value for each structure that the network segments. */
export type StructureRecord<T> = { readonly [K in Structure]?: T };

/** The network's answer for one image; null from an expert that did not run. Probabilities are rounded to six decimals. */
export interface InferResult {
  readonly file: string;
  readonly frame: { readonly width: number; readonly height: number };
  /** The square of the frame that the network saw; `left` and `top` are negative where it is padded. */
  readonly crop: { readonly left: number; readonly top: number; readonly size: number };
  readonly gate: {
    readonly task: Task;
    readonly probability: number;
    readonly probabilities: Readonly<Record<Task, number>>;
  };
  /** The experts that ran. */
  readonly experts: readonly Task[];
  readonly retinopathy: Grade | null;
  readonly edema: Grade | null;
  /** The structures that the network was trained for. */
  readonly lesions: StructureRecord<StructureResult> | null;
  /** Number of tiles that the masks come from; 0: from the whole picture. */
  readonly tiles: number;
  readonly warnings: readonly string[];
}

export interface InferOptions {
  readonly choice: TaskChoice;
  /** A pixel belongs to a structure when its probability, mapped onto the frame, is at least this: one for all, or by structure (else 0.5). */
  readonly threshold: number | StructureRecord<number>;
  /** Masks from tiles; null: from the whole picture. Default: tiles where `data.tiles.mode` is on. Grades: see {@link Tiling}. */
  readonly tiling?: Tiling | null;
  /** Average over the four flips. Default false. */
  readonly flips?: boolean;
}

/** The result with the pictures it came from, both in the frame's size. */
export interface Inferred {
  readonly result: InferResult;
  readonly image: RgbImage;
  /** 0 or 1 per pixel; null where the segmentation expert did not run. */
  readonly masks: StructureRecord<Uint8Array> | null;
}

/**
 * Decodes one image, prepares it as the predictor's pictures are and runs the network on it.
 *
 * @throws GmtlError `data/image-unreadable` or `infer/no-fundus` naming the file.
 */
export async function inferImage(predictor: Predictor, file: string, options: InferOptions): Promise<Inferred> {
  const { config, source } = predictor;
  const { preprocess, normalization } = source.options;
  const tiling = options.tiling === undefined ? predictor.tiling : options.tiling;
  const image = await decodeImage(file);
  const prepare = (size: number, normalised = true): Promise<Sample> =>
    preprocessImage(image, file, {
      ...preprocess,
      size,
      ...(!normalised && { clahe: null, benGraham: false }),
    }).catch((cause: unknown) => {
      if (!(cause instanceof GmtlError) || cause.code !== 'data/no-field-of-view') throw cause;
      throw new GmtlError(
        'infer/no-fundus',
        `${file}: no bright disc in the picture; it is black, or no fundus photograph. Nothing was predicted for it.`,
        { cause },
      );
    });
  const sample = await prepare(preprocess.size);
  // Whether the picture looks like a fundus is judged by its original colors, which CLAHE changes and Ben Graham's normalization removes.
  const own = preprocess.clahe === null && !preprocess.benGraham ? sample : await prepare(preprocess.size, false);
  const whole = await predictWhole(predictor, imageTensor(sample, normalization), options, tiling !== null);
  if (!whole.routed.segmentation)
    return { result: describe(file, image, own, whole, null, 0, config.model), image, masks: null };
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
    const summary = await predictor.predictTiled(large, tiling, options.flips ?? false, planes.row);
    tiles = summary.tiles;
    // Router fusion takes the grades from the tiles.
    const { retinopathy, edema } = tiling.fusion === 'router' && whole.routed.classification ? summary : whole;
    prediction = { ...whole, retinopathy, edema };
  } else {
    const side = sample.size;
    const mapper = new FrameMapper(sample.box, side, structures.length, planes.row);
    if (whole.masks !== null) mapper.push(0, side, whole.masks);
  }
  const masks = Object.fromEntries(structures.map((structure, index) => [structure, planes.masks[index]]));
  return { result: describe(file, image, own, prediction, masks, tiles, config.model), image, masks };
}

/** Gate, grades and, where they do not come from tiles, masks of the whole picture. */
async function predictWhole(
  predictor: Predictor,
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

/** A result as one line of readable text. */
export function summary({ file, gate, experts, retinopathy, edema }: InferResult): string {
  const percent = (value: number): string => `${(100 * value).toFixed(0)} %`;
  const graded = ({ grade, name, probabilities }: Grade): string =>
    `${grade} ${name} (${percent(probabilities[grade])})`;
  const parts = [
    `${basename(file)}: gate ${gate.task} (${percent(gate.probability)})`,
    ...(experts.length === 1 && experts[0] !== gate.task ? [`${experts[0]} as asked for`] : []),
    ...(retinopathy ? [`retinopathy ${graded(retinopathy)}`] : []),
    // The names of edema grades are half a sentence each.
    ...(edema ? [`edema risk ${edema.grade} (${percent(edema.probabilities[edema.grade])})`] : []),
  ];
  return parts.join(', ');
}

function thresholdOf(threshold: InferOptions['threshold'], structure: Structure): number {
  return typeof threshold === 'number' ? threshold : (threshold[structure] ?? 0.5);
}

const rounded = (value: number): number => Math.round(value * 1e6) / 1e6;

function gradeOf(probabilities: Float32Array | null, names: readonly string[], decision: GradeDecision): Grade | null {
  if (probabilities === null) return null;
  const grade = decideGrade(decision, probabilities);
  return { grade, name: names[grade], probabilities: Array.from(probabilities, rounded) };
}

function describe(
  file: string,
  image: RgbImage,
  sample: Sample,
  { gate, routed, retinopathy, edema }: Prediction,
  masks: StructureRecord<Uint8Array> | null,
  tiles: number,
  { gradeDecision }: TrainConfig['model'],
): InferResult {
  const { width, height } = image;
  const { left, top, size } = sample.box;
  const { task, probability } = routeOf({ gate });
  return {
    file,
    frame: { width, height },
    crop: { left, top, size },
    gate: {
      task,
      probability: rounded(probability),
      probabilities: { segmentation: rounded(gate[0]), classification: rounded(gate[1]) },
    },
    experts: TASKS.filter((expert) => routed[expert]),
    retinopathy: gradeOf(retinopathy, GRADINGS.retinopathy.grades, gradeDecision),
    edema: gradeOf(edema, GRADINGS.edema.grades, gradeDecision),
    lesions: masks && structureResults(masks, width),
    tiles,
    warnings: suspicions(sample),
  };
}

function structureResults(masks: StructureRecord<Uint8Array>, width: number): StructureRecord<StructureResult> {
  const results: { [K in Structure]?: StructureResult } = {};
  for (const structure of STRUCTURES) {
    const mask = masks[structure];
    if (mask !== undefined) results[structure] = structureOf(structure, mask, width);
  }
  return results;
}

function structureOf(structure: Structure, mask: Uint8Array, width: number): StructureResult {
  let pixels = 0;
  for (let index = 0; index < mask.length; index++) pixels += mask[index];
  return {
    name: STRUCTURE_NAMES[structure],
    pixels,
    share: pixels / mask.length,
    regions: pixels === 0 ? 0 : countComponents(mask, width),
  };
}

/**
 * Reasons to doubt that the picture is a color fundus photograph. The retina's reflectance falls steeply from red to blue; gray
 * (red-free), inverted and unrelated pictures lack that.
 */
export function suspicions({ image, size, box }: Sample): string[] {
  const sums = [0, 0, 0];
  for (let at = 0; at < image.length; at += 3)
    for (let channel = 0; channel < 3; channel++) sums[channel] += image[at + channel];
  const [red, , blue] = sums;
  return [
    ...(isUniform(image) ? ['the picture is one uniform area: what the network says of it means nothing'] : []),
    ...(red < 1.2 * blue
      ? ['the picture is not reddish as colour fundus photographs are: what the network says of it means nothing']
      : []),
    ...(box.size < size / 2
      ? [`the retina is only ${box.size} pixels wide where the network takes ${size}: small lesions are lost`]
      : []),
  ];
}

/** Whether no channel varies by more than camera noise. */
function isUniform(image: Uint8Array): boolean {
  for (let channel = 0; channel < 3; channel++) {
    let least = 255;
    let most = 0;
    for (let at = channel; at < image.length; at += 3) {
      least = Math.min(least, image[at]);
      most = Math.max(most, image[at]);
    }
    if (most - least > 8) return false;
  }
  return true;
}
