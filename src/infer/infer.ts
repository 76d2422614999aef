/** From an image file to what the network says of it, in the image's own frame, and to the files that show it. */
import { basename, join } from 'node:path';
import { unlink } from 'node:fs/promises';
import type { Engine } from '../autograd/engine.ts';
import { imageTensor } from '../data/batch.ts';
import type { CropBox, RgbImage } from '../data/fov.ts';
import { mapMaskToFrame } from '../data/geometry.ts';
import { decodeImage, preprocessImage, type Sample } from '../data/preprocess.ts';
import { type Lesion, LESION_NAMES, LESIONS, type Task, TASKS } from '../data/types.ts';
import { GmtlError } from '../errors.ts';
import { errorCode, writeFileAtomic } from '../io/atomic.ts';
import type { MultitaskNet } from '../models/network.ts';
import type { LesionMasks } from '../report/overlay.ts';
import { encodeMaskPng } from '../report/png.ts';
import { loaderSettings } from '../train/build.ts';
import type { TrainConfig } from '../train/config.ts';
import { predict, type Prediction, type TaskChoice } from '../train/predict.ts';
import type { InferInput } from './inputs.ts';
import { countRegions } from './regions.ts';

/** International Clinical Diabetic Retinopathy scale (Wilkinson et al., Ophthalmology 2003). */
export const RETINOPATHY_NAMES = [
  'no apparent retinopathy',
  'mild non-proliferative',
  'moderate non-proliferative',
  'severe non-proliferative',
  'proliferative',
] as const;

/** IDRiD's risk of macular edema (Porwal et al., Data 2018). */
export const EDEMA_NAMES = [
  'no apparent hard exudates',
  'hard exudates outside one disc diameter of the macula centre',
  'hard exudates within one disc diameter of the macula centre',
] as const;

/** A grade, its name, and the probability of every grade from 0. */
export interface Grade {
  readonly grade: number;
  readonly name: string;
  readonly probabilities: readonly number[];
}

/** One structure in the original frame. */
export interface LesionResult {
  readonly name: string;
  readonly pixels: number;
  /** Pixels as a share of the whole frame. */
  readonly share: number;
  /** 8-connected regions. */
  readonly regions: number;
}

/** What the network says of one image. An expert that did not run leaves null. Probabilities are rounded to six decimals. */
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
  readonly lesions: Readonly<Record<Lesion, LesionResult>> | null;
  readonly warnings: readonly string[];
}

export interface InferOptions {
  readonly choice: TaskChoice;
  /** A pixel belongs to a structure when its probability, mapped onto the frame, is at least this. */
  readonly threshold: number;
}

/** The result with the pictures it came from, both in the frame's size. */
export interface Inferred {
  readonly result: InferResult;
  readonly image: RgbImage;
  /** 0 or 1 a pixel; null where the segmentation expert did not run. */
  readonly masks: Readonly<Record<Lesion, Uint8Array>> | null;
}

/**
 * Decodes one image, prepares it as the configuration says and runs the network on it.
 *
 * @throws GmtlError `data/image-unreadable` or `infer/no-fundus` naming the file.
 */
export async function inferImage(
  engine: Engine,
  model: MultitaskNet,
  config: TrainConfig,
  file: string,
  options: InferOptions,
): Promise<Inferred> {
  const { preprocess, normalisation } = loaderSettings(config);
  const image = await decodeImage(file);
  const sample = await preprocessImage(image, file, preprocess).catch((cause: unknown) => {
    if (!(cause instanceof GmtlError) || cause.code !== 'data/no-field-of-view') throw cause;
    throw new GmtlError(
      'infer/no-fundus',
      `${file}: no bright disc in the picture; it is black, or no fundus photograph. Nothing was predicted for it.`,
      { cause },
    );
  });
  const [prediction] = await predict(engine, model, imageTensor(sample, normalisation), 1, options.choice);
  const masks = prediction.masks && frameMasks(prediction.masks, sample.box, options.threshold);
  return { result: describe(file, image, sample, prediction, masks), image, masks };
}

/** The names of the files that {@link writeResults} may write for an image. */
export function resultFiles(folder: string, name: string): { overlay: string; masks: Record<Lesion, string> } {
  const masks = Object.fromEntries(LESIONS.map((lesion) => [lesion, join(folder, `${name}_${lesion}.png`)]));
  return { overlay: join(folder, `${name}_overlay.png`), masks: masks as Record<Lesion, string> };
}

/**
 * Writes an overlay with a legend and, where there are masks, one PNG a structure (8-bit grey, 0 and 255, the frame's size). Masks of
 * an earlier inference under the same name that this one does not have are removed: they would pass for its result.
 *
 * @param overlaySide longer side of the overlay at most, pixels.
 * @returns the files written.
 * @throws GmtlError as {@link writeFileAtomic}.
 */
export async function writeResults(
  folder: string,
  input: InferInput,
  { result, image, masks }: Inferred,
  overlaySide = 2048,
): Promise<string[]> {
  const { width, height, data } = image;
  const files = resultFiles(folder, input.name);
  const written: string[] = [];
  for (const lesion of LESIONS) {
    if (masks === null) {
      await removeOld(files.masks[lesion]);
      continue;
    }
    await writeFileAtomic(files.masks[lesion], encodeMaskPng(masks[lesion], width, height));
    written.push(files.masks[lesion]);
  }
  // The drawing libraries take half a second to load, which every command would pay.
  const { writeOverlay } = await import('../report/overlay.ts');
  const drawn: LesionMasks = masks ?? {};
  await writeOverlay(files.overlay, { rgb: data, width, height }, drawn, {
    title: summary(result),
    maxSide: overlaySide,
  });
  return [...written, files.overlay];
}

/** A result in one line, for people. */
export function summary({ file, gate, experts, retinopathy, edema }: InferResult): string {
  const percent = (value: number): string => `${(100 * value).toFixed(0)} %`;
  const graded = ({ grade, name, probabilities }: Grade): string =>
    `${grade} ${name} (${percent(probabilities[grade])})`;
  const parts = [
    `${basename(file)}: gate ${gate.task} (${percent(gate.probability)})`,
    ...(experts.length === 1 && experts[0] !== gate.task ? [`${experts[0]} as asked for`] : []),
    ...(retinopathy ? [`retinopathy ${graded(retinopathy)}`] : []),
    // Its names are half a sentence each.
    ...(edema ? [`edema risk ${edema.grade} (${percent(edema.probabilities[edema.grade])})`] : []),
  ];
  return parts.join(', ');
}

function frameMasks(
  probabilities: Float32Array,
  box: CropBox,
  threshold: number,
): Readonly<Record<Lesion, Uint8Array>> {
  const classes = LESIONS.length;
  const plane = new Float32Array(probabilities.length / classes);
  // One structure after the other: a frame of floats is 49 MB for IDRiD.
  const masks = LESIONS.map((lesion, index) => {
    for (let pixel = 0; pixel < plane.length; pixel++) plane[pixel] = probabilities[pixel * classes + index];
    const values = mapMaskToFrame(plane, box);
    const mask = new Uint8Array(values.length);
    for (let pixel = 0; pixel < mask.length; pixel++) mask[pixel] = values[pixel] >= threshold ? 1 : 0;
    return [lesion, mask] as const;
  });
  return Object.fromEntries(masks) as Record<Lesion, Uint8Array>;
}

const rounded = (value: number): number => Math.round(value * 1e6) / 1e6;

function argmax(values: Float32Array): number {
  return values.reduce((best, value, index) => (value > values[best] ? index : best), 0);
}

function gradeOf(probabilities: Float32Array | null, names: readonly string[]): Grade | null {
  if (probabilities === null) return null;
  const grade = argmax(probabilities);
  return { grade, name: names[grade], probabilities: Array.from(probabilities, rounded) };
}

function describe(
  file: string,
  image: RgbImage,
  sample: Sample,
  { gate, routed, retino, edema }: Prediction,
  masks: Readonly<Record<Lesion, Uint8Array>> | null,
): InferResult {
  const { width, height } = image;
  const { left, top, size } = sample.box;
  const task = argmax(gate);
  const lesions = masks && LESIONS.map((lesion) => [lesion, lesionOf(lesion, masks[lesion], width)] as const);
  return {
    file,
    frame: { width, height },
    crop: { left, top, size },
    gate: {
      task: TASKS[task],
      probability: rounded(gate[task]),
      probabilities: { segmentation: rounded(gate[0]), classification: rounded(gate[1]) },
    },
    experts: TASKS.filter((expert) => routed[expert]),
    retinopathy: gradeOf(retino, RETINOPATHY_NAMES),
    edema: gradeOf(edema, EDEMA_NAMES),
    lesions: lesions && (Object.fromEntries(lesions) as Record<Lesion, LesionResult>),
    warnings: suspicions(sample),
  };
}

function lesionOf(lesion: Lesion, mask: Uint8Array, width: number): LesionResult {
  let pixels = 0;
  for (let index = 0; index < mask.length; index++) pixels += mask[index];
  return {
    name: LESION_NAMES[lesion],
    pixels,
    share: pixels / mask.length,
    regions: pixels === 0 ? 0 : countRegions(mask, width),
  };
}

/**
 * Reasons to doubt that the picture is a colour fundus photograph. The retina's reflectance falls steeply from red to blue; grey
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

async function removeOld(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}
