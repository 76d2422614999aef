/** Pictures with truth and prediction for the report and for samples, gathered while a network is scored. */
import { isGateTaught, sharesImages } from '../config/taught.ts';
import { sharp } from '../../engine/node/optional.ts';
import { decodeImage, preprocessImage } from '../data/pictures/preprocess.ts';
import { type DatasetItem, type Structure, GRADED_TASKS, type GradedTask, GRADINGS } from '../domain.ts';
import { decideGrade, type GradeDecision } from '../metrics/inputs.ts';
import { badnessOf } from '../report/html/pictures.ts';
import type { GalleryImage, GradeData, MaskSet } from '../report/html/data.ts';
import type { RgbImage } from '../domain.ts';
import { loaderSettings } from '../data/loading/settings.ts';
import type { TrainConfig } from '../config/schema.ts';
import type { Evaluation } from '../metrics/evaluation.ts';
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

const NO_PICTURE: RgbImage = { data: new Uint8Array(0), width: 0, height: 0 };

/** Listens to `collect` and makes a gallery picture of each image that it scored. Masks are shown at the threshold 0.5. */
export class GalleryCollector {
  readonly #config: TrainConfig;
  readonly #frame: 'network' | 'native';
  readonly #seen: PredictedItem[] = [];
  readonly #masks = new Map<string, Masks>();

  /** @param frame the frame in which masks are scored; pictures are shown in it too. */
  constructor(config: TrainConfig, frame: 'network' | 'native') {
    this.#config = config;
    this.#frame = frame;
  }

  readonly listeners: Pick<CollectOptions, 'onPredicted' | 'onMask'> = {
    onPredicted: (seen) => void this.#seen.push(seen),
    onMask: (plane) => this.#keep(plane),
  };

  /** What was seen, in the order of scoring. */
  get seen(): readonly PredictedItem[] {
    return this.#seen;
  }

  /**
   * The `limit` worst pictures, decoded again for display (without CLAHE and the like).
   * @param evaluation of the same images, from which their Dice is taken.
   */
  async pictures(evaluation: Evaluation, limit: number): Promise<GalleryImage[]> {
    const described = this.#seen
      .map((seen) => ({ seen, picture: this.#describe(seen, evaluation) }))
      .sort((left, right) => badnessOf(right.picture) - badnessOf(left.picture))
      .slice(0, limit);
    const pictures: GalleryImage[] = [];
    for (const { seen, picture } of described) {
      pictures.push({ ...picture, image: await this.#show(seen.item) });
    }
    return pictures;
  }

  #keep({ id, structure, truth, probability, width }: MaskPlane): void {
    const own = shrink(truth.length, width, (pixel) => truth[pixel] > 0);
    const predicted = shrink(truth.length, width, (pixel) => probability[pixel] >= 0.5);
    const masks = this.#masks.get(id) ?? { width: own.width, height: own.height, truth: {}, predicted: {} };
    masks.truth[structure] = own.mask;
    masks.predicted[structure] = predicted.mask;
    this.#masks.set(id, masks);
  }

  #describe({ item, prediction }: PredictedItem, { segmentation, gradeDecision }: Evaluation): GalleryImage {
    const masks = this.#masks.get(item.id);
    const setOf = (which: 'truth' | 'predicted'): MaskSet | undefined =>
      masks && { width: masks.width, height: masks.height, masks: masks[which] };
    const dice = Object.entries(segmentation ?? {}).flatMap(([structure, { images }]) => {
      const own = images.find(({ image }) => image === item.id);
      return own ? [[structure, own.dice] as const] : [];
    });
    const grades =
      item.task === 'classification'
        ? GRADED_TASKS.flatMap((task) => gradeOf(task, item[task], prediction[task], gradeDecision))
        : [];
    const { task, probability } = routeOf(prediction);
    const truthMasks = setOf('truth');
    const predictedMasks = setOf('predicted');
    return {
      id: item.id,
      file: item.imagePath,
      image: NO_PICTURE,
      ...(truthMasks && { truthMasks }),
      ...(predictedMasks && { predictedMasks }),
      ...(dice.length > 0 && { dice: Object.fromEntries(dice) }),
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

function gradeOf(
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
