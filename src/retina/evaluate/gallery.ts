/** Pictures with truth and prediction for the report and for samples, gathered while a network is scored. */
import { isGateTaught, sharesImages } from '../config/taught.ts';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { sharp } from '../../engine/node/optional.ts';
import { decodeImage, preprocessImage } from '../data/pictures/preprocess.ts';
import { type DatasetItem, type Structure, GRADED_TASKS, type GradedTask, GRADINGS, STRUCTURES } from '../domain.ts';
import { decideGrade, type GradeDecision } from '../metrics/inputs.ts';
import { badnessOf } from '../report/html/pictures.ts';
import type { GalleryImage, GradeData, MaskSet } from '../report/html/data.ts';
import type { RgbImage } from '../domain.ts';
import { loaderSettings } from '../data/loading/settings.ts';
import type { TrainConfig } from '../config/schema.ts';
import { diceByImage, type Evaluation, type ImageDice } from '../metrics/evaluation.ts';
import type { CollectOptions, MaskPlane, PredictedItem } from './collect.ts';
import { routeOf } from '../predict/prediction.ts';

/** Longer side, in pixels, at which pictures and their masks are kept. */
const SHOWN_SIDE = 640;

type Planes = { [structure in Structure]?: Uint8Array };

interface Masks {
  readonly width: number;
  readonly height: number;
  readonly truth: Planes;
  readonly predicted: Planes;
}

/**
 * Masks of a picture that is not at hand: a byte for each pixel of the truth and then of the prediction, bit k of it `STRUCTURES[k]`, deflated. A
 * picture with five structures at {@link SHOWN_SIDE} takes 4 MB as it is, and a few kB so.
 */
interface PackedMasks {
  readonly width: number;
  readonly height: number;
  readonly structures: readonly Structure[];
  readonly bits: Uint8Array;
}

function pack({ width, height, truth, predicted }: Masks): PackedMasks {
  const structures = Object.keys(truth) as Structure[];
  const pixels = width * height;
  const bits = new Uint8Array(2 * pixels);
  for (const [start, planes] of [[0, truth] as const, [pixels, predicted] as const]) {
    for (const structure of structures) {
      const plane = planes[structure] as Uint8Array;
      const bit = STRUCTURES.indexOf(structure);
      for (let pixel = 0; pixel < pixels; pixel++) bits[start + pixel] |= plane[pixel] << bit;
    }
  }
  return { width, height, structures, bits: deflateRawSync(bits, { level: 1 }) };
}

function unpack({ width, height, structures, bits }: PackedMasks): Masks {
  const bytes = inflateRawSync(bits);
  const planesFrom = (start: number): Planes =>
    Object.fromEntries(
      structures.map((structure) => {
        const bit = STRUCTURES.indexOf(structure);
        return [structure, Uint8Array.from(bytes.subarray(start, start + width * height), (byte) => (byte >> bit) & 1)];
      }),
    );
  return { width, height, truth: planesFrom(0), predicted: planesFrom(width * height) };
}

/** A mask at most {@link SHOWN_SIDE} large: a pixel is set if any of its source pixels is, so that no lesion is lost. */
function shrink(
  length: number,
  width: number,
  isInside: (pixel: number) => boolean,
): { width: number; height: number; mask: Uint8Array } {
  const height = length / width;
  const scale = Math.min(1, SHOWN_SIDE / Math.max(width, height));
  const toWidth = Math.max(1, Math.round(width * scale));
  const toHeight = Math.max(1, Math.round(height * scale));
  const mask = new Uint8Array(toWidth * toHeight);
  for (let y = 0; y < height; y++) {
    const row = Math.min(toHeight - 1, Math.floor((y * toHeight) / height)) * toWidth;
    for (let x = 0; x < width; x++) {
      if (isInside(y * width + x)) mask[row + Math.min(toWidth - 1, Math.floor((x * toWidth) / width))] = 1;
    }
  }
  return { width: toWidth, height: toHeight, mask };
}

const maskSet = ({ width, height }: Masks, masks: Planes): MaskSet => ({ width, height, masks });

const NO_PICTURE: RgbImage = { data: new Uint8Array(0), width: 0, height: 0 };

/** Listens to `collect` and makes a gallery picture of each image that it scored. Masks are shown at the threshold 0.5. */
export class GalleryCollector {
  readonly #config: TrainConfig;
  readonly #frame: 'network' | 'native';
  readonly #seen: PredictedItem[] = [];
  readonly #masks = new Map<string, PackedMasks>();
  /** The picture whose structures are coming in. */
  #open: { readonly id: string; readonly masks: Masks } | null = null;

  /** @param frame the frame in which masks are scored; pictures are shown in it too. */
  constructor(config: TrainConfig, frame: 'network' | 'native') {
    this.#config = config;
    this.#frame = frame;
  }

  readonly listeners: Pick<CollectOptions, 'onPredicted' | 'onMask'> = {
    onPredicted: ({ item, prediction }) => void this.#seen.push({ item, prediction: { ...prediction, masks: null } }),
    onMask: (plane) => this.#keep(plane),
  };

  /** What was seen, in the order of scoring, without the masks. */
  get seen(): readonly PredictedItem[] {
    return this.#seen;
  }

  /** The `limit` worst pictures of {@link eachPicture}, all in memory. */
  async pictures(evaluation: Evaluation, limit: number): Promise<GalleryImage[]> {
    const pictures: GalleryImage[] = [];
    for await (const picture of this.eachPicture(evaluation, limit)) pictures.push(picture);
    return pictures;
  }

  /**
   * The `limit` worst pictures, worst first, each decoded again for display (without CLAHE and the like) when it is asked for.
   * @param evaluation of the same images, from which their Dice is taken.
   */
  async *eachPicture(evaluation: Evaluation, limit = Number.POSITIVE_INFINITY): AsyncGenerator<GalleryImage> {
    const dice = diceByImage(evaluation);
    const worst = this.#seen
      .map((seen) => ({ seen, badness: badnessOf(this.#describe(seen, evaluation, dice)) }))
      .sort((left, right) => right.badness - left.badness)
      .slice(0, limit);
    for (const { seen } of worst) {
      const masks = this.#masksOf(seen.item.id);
      yield {
        ...this.#describe(seen, evaluation, dice),
        image: await this.#show(seen.item),
        ...(masks && { truthMasks: maskSet(masks, masks.truth), predictedMasks: maskSet(masks, masks.predicted) }),
      };
    }
  }

  #masksOf(id: string): Masks | null {
    if (this.#open?.id === id) return this.#open.masks;
    const packed = this.#masks.get(id);
    return packed ? unpack(packed) : null;
  }

  #keep({ id, structure, truth, probability, width }: MaskPlane): void {
    const own = shrink(truth.length, width, (pixel) => truth[pixel] > 0);
    const predicted = shrink(truth.length, width, (pixel) => probability[pixel] >= 0.5);
    if (this.#open?.id !== id) {
      const masks = this.#masksOf(id) ?? { width: own.width, height: own.height, truth: {}, predicted: {} };
      if (this.#open) this.#masks.set(this.#open.id, pack(this.#open.masks));
      this.#open = { id, masks };
    }
    this.#open.masks.truth[structure] = own.mask;
    this.#open.masks.predicted[structure] = predicted.mask;
  }

  /** All of a picture but its pixels. */
  #describe(
    { item, prediction }: PredictedItem,
    { gradeDecision }: Evaluation,
    diceOf: ReadonlyMap<string, ImageDice>,
  ): GalleryImage {
    const dice = diceOf.get(item.id);
    const grades =
      item.task === 'classification'
        ? GRADED_TASKS.flatMap((task) => gradeData(task, item[task], prediction[task], gradeDecision))
        : [];
    const { task, probability } = routeOf(prediction);
    return {
      id: item.id,
      file: item.imagePath,
      image: NO_PICTURE,
      ...(dice && { dice }),
      ...(grades.length > 0 && { grades }),
      // Without a gate no image is routed, so none can be misrouted; nor can one whose other expert knows it too.
      ...(isGateTaught(this.#config) && {
        gate: { ...(!sharesImages(this.#config) && { truth: item.task }), routed: task, probability },
      }),
    };
  }

  async #show(item: DatasetItem): Promise<RgbImage> {
    const image = await decodeImage(item.imagePath);
    if (this.#frame === 'native') {
      const { data, info } = await sharp(image.data, {
        raw: { width: image.width, height: image.height, channels: 3 },
        limitInputPixels: false,
      })
        .resize({ width: SHOWN_SIDE, height: SHOWN_SIDE, fit: 'inside', withoutEnlargement: true })
        .raw()
        .toBuffer({ resolveWithObject: true });
      return { data, width: info.width, height: info.height };
    }
    const preprocess = { ...loaderSettings(this.#config).preprocess, clahe: null, benGraham: false };
    const sample = await preprocessImage(image, item.imagePath, { ...preprocess, size: SHOWN_SIDE });
    return { data: sample.image, width: SHOWN_SIDE, height: SHOWN_SIDE };
  }
}

function gradeData(
  task: GradedTask,
  truth: number | null,
  probabilities: Float32Array | null,
  decision: GradeDecision,
): GradeData[] {
  if (probabilities === null) return [];
  const { abbreviation, grades, captions = grades } = GRADINGS[task];
  const predicted = decideGrade(decision, probabilities);
  return [{ task: abbreviation, truth, predicted, probability: probabilities[predicted], names: captions }];
}
