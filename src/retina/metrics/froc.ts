/** Lesion-level scores: free-response operating characteristics over images. */
import { GmtlError } from '../../engine/errors.ts';
import { type BootstrapOptions, bootstrapIntervals, type IntervalsOf } from './bootstrap.ts';
import { countDetections, type DetectionCounts, type DetectionInput } from './detections.ts';
import { type SegmentationOptions, thresholdOf } from './segmentation.ts';

/**
 * Lesion-level scores. THE convention:
 * - A lesion is an 8-connected component of the truth; a detection is one of the prediction (probability >= threshold).
 * - A detection is TRUE if at least `minimumOverlap` (20 %) of its pixels are truth, else it is a FALSE POSITIVE.
 * - A lesion is FOUND if true detections cover at least `minimumOverlap` of its pixels. Several detections on one lesion find it
 *   once and are not false positives; one detection may find several lesions.
 * - False positives are counted over all images, with or without lesions.
 *
 * The shares and their 20 % are those of Zhang et al., "Exudate detection in color retinal images for mass screening of diabetic
 * retinopathy", Medical Image Analysis 18 (2014). CAMELYON16's and MONAI's rule (a detection is a point, true if it lies inside a
 * lesion) is the case `minimumOverlap` 0: one shared pixel is enough. It is not the default, because detections here are regions:
 * lowering the threshold would merge them into one that touches every lesion, with no false positive left.
 */
export const FROC_CONVENTION =
  'A lesion (8-connected component of the truth) is found where detections cover at least 20 % of it; a detection (component of ' +
  'the prediction) with less than 20 % of its pixels on truth is a false positive and finds nothing.';

/**
 * The rates of false positives per image at which sensitivity is averaged: those of the Retinopathy Online Challenge (Niemeijer et
 * al., IEEE Transactions on Medical Imaging 29, 2010) and of LUNA16; CAMELYON16 leaves out 1/8.
 */
const FROC_RATES: readonly number[] = [1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8];

/** 47 probabilities from 0.0001 to 0.9999, 0.5 among them; evenly spaced in log-odds, because rare lesions get probabilities far from 0.5. */
export const FROC_THRESHOLDS: readonly number[] = Array.from(
  { length: 47 },
  (_, index) => 1 / (1 + Math.exp(-0.4 * (index - 23))),
);

export type FrocOptions = {
  /** The operating threshold, as for `SegmentationAccumulator`. It joins the grid. Default 0.5. */
  readonly threshold?: SegmentationOptions['threshold'];
  /** The curve's thresholds, in (0, 1], at most 254. Default {@link FROC_THRESHOLDS}. */
  readonly thresholds?: readonly number[];
  /** See {@link FROC_CONVENTION}; 0 asks for one pixel only. Default 0.2. */
  readonly minimumOverlap?: number;
};

export type FrocPoint = {
  readonly threshold: number;
  /** Mean over the images. */
  readonly falsePositivesPerImage: number;
  /** Share of lesions found. */
  readonly sensitivity: number;
};

/** Lesion-level scores of one structure; sensitivities are NaN where no image has any. See {@link FROC_CONVENTION}. */
export type FrocScores = {
  readonly images: number;
  /** Components of the truth. */
  readonly lesions: number;
  /** At the operating threshold. */
  readonly operating: FrocPoint & {
    readonly found: number;
    readonly detections: number;
    readonly falsePositives: number;
    /** Share of detections that are true; NaN without detections. */
    readonly precision: number;
  };
  /** By falling threshold. NOT monotone: at low thresholds detections merge into regions so large that they count as false and no longer find lesions. */
  readonly curve: readonly FrocPoint[];
  /**
   * At each of {@link FROC_RATES}: the highest sensitivity of the curve at or below a rate, linearly interpolated between the
   * curve's rates (as CAMELYON16 and LUNA16 do; NumPy's `interp`) from 0 at rate 0, and held beyond the curve's end.
   */
  readonly rates: readonly Omit<FrocPoint, 'threshold'>[];
  /** Mean of the sensitivities at those rates: the FROC score. */
  readonly meanSensitivity: number;
  readonly minimumOverlap: number;
};

/** Percentile intervals over images: the FROC score, and sensitivity and false positives per image at the operating threshold. */
export type FrocIntervals = IntervalsOf<Record<'meanSensitivity' | 'sensitivity' | 'falsePositivesPerImage', number>>;

type Entry = { readonly image: string; readonly counts: DetectionCounts };

/** Collects lesion-level scores image by image; it keeps a few counts per image and none of its pixels. */
export class FrocAccumulator {
  readonly structures: readonly string[];
  readonly minimumOverlap: number;
  readonly #threshold: SegmentationOptions['threshold'];
  readonly #grid = new Map<string, number[]>();
  readonly #entries = new Map<string, Entry[]>();
  readonly #known = new Map<string, Set<string>>();

  /** @throws GmtlError `metrics/froc` for options out of range. */
  constructor(structures: readonly string[], options: FrocOptions = {}) {
    this.structures = structures;
    this.minimumOverlap = options.minimumOverlap ?? 0.2;
    this.#threshold = options.threshold;
    if (!(this.minimumOverlap >= 0 && this.minimumOverlap <= 1)) {
      throw new GmtlError('metrics/froc', `FROC: minimumOverlap ${this.minimumOverlap}; pass a share in [0, 1].`);
    }
    for (const structure of structures) {
      const wanted = [...(options.thresholds ?? FROC_THRESHOLDS), thresholdOf(this.#threshold, structure)];
      const grid = [...new Set(wanted)].sort((left, right) => left - right);
      if (grid.length > 255 || !grid.every((threshold) => threshold > 0 && threshold <= 1)) {
        throw new GmtlError('metrics/froc', `FROC, lesion ${structure}: pass at most 254 thresholds, all in (0, 1].`);
      }
      this.#grid.set(structure, grid);
      this.#entries.set(structure, []);
      this.#known.set(structure, new Set());
    }
  }

  /**
   * Adds one structure of one image, whole (components do not survive tiling). Add an image without the structure with an all-zero truth.
   * @throws GmtlError `metrics/lesion`, `metrics/length`, `metrics/duplicate` or `metrics/probability`, naming image and structure.
   */
  add(image: string, structure: string, input: DetectionInput): void {
    const { truth, probability, width, valid } = input;
    const where = `FROC, image ${image}, lesion ${structure}`;
    const entries = this.#entries.get(structure);
    const grid = this.#grid.get(structure);
    if (entries === undefined || grid === undefined) {
      throw new GmtlError('metrics/lesion', `${where}: unknown lesion; known are ${this.structures.join(', ')}.`);
    }
    const sizes = [truth.length, probability.length, ...(valid === undefined ? [] : [valid.length])];
    if (sizes.some((size) => size !== truth.length) || !Number.isInteger(truth.length / width)) {
      throw new GmtlError(
        'metrics/length',
        `${where}: truth, probability and valid have ${sizes.join(', ')} pixels in rows of ${width}; pass whole rows of one size.`,
      );
    }
    if (this.#known.get(structure)?.has(image)) {
      throw new GmtlError('metrics/duplicate', `${where}: added twice; merge tiles or views before scoring.`);
    }
    for (let pixel = 0; pixel < probability.length; pixel++) {
      const value = probability[pixel];
      if (!(value >= 0 && value <= 1) && (valid === undefined || valid[pixel] !== 0)) {
        throw new GmtlError(
          'metrics/probability',
          `${where}: pixel ${pixel} has the value ${value}; a probability in [0, 1] is needed: apply the sigmoid, check for NaN.`,
        );
      }
    }
    entries.push({ image, counts: countDetections(input, grid, this.minimumOverlap) });
    this.#known.get(structure)?.add(image);
  }

  /** Scores of everything added so far, by structure. @throws GmtlError `metrics/empty` for a structure to which nothing was added. */
  result(): Record<string, FrocScores> {
    return Object.fromEntries(this.structures.map((structure) => [structure, this.#score(structure)]));
  }

  /** Bootstrap intervals over the images, by structure. @throws GmtlError as {@link result}, and `metrics/bootstrap`. */
  intervals(options: BootstrapOptions = {}): Record<string, FrocIntervals> {
    const intervalsOf = (structure: string): FrocIntervals => {
      const { entries, grid, operating } = this.#of(structure);
      return bootstrapIntervals(
        entries.length,
        (weights) => {
          const sum = pool(entries, weights, grid.length);
          const curve = curveOf(sum, grid);
          const { sensitivity, falsePositivesPerImage } = curve[grid.length - 1 - operating];
          return { meanSensitivity: meanSensitivity(curve), sensitivity, falsePositivesPerImage };
        },
        options,
      );
    };
    return Object.fromEntries(this.structures.map((structure) => [structure, intervalsOf(structure)]));
  }

  #of(structure: string): { entries: Entry[]; grid: number[]; operating: number } {
    const entries = this.#entries.get(structure) ?? [];
    const grid = this.#grid.get(structure) ?? [];
    if (entries.length === 0) {
      throw new GmtlError('metrics/empty', `FROC: no image was added for lesion ${structure}.`);
    }
    return { entries, grid, operating: grid.indexOf(thresholdOf(this.#threshold, structure)) };
  }

  #score(structure: string): FrocScores {
    const { entries, grid, operating } = this.#of(structure);
    const sum = pool(entries, new Uint8Array(entries.length).fill(1), grid.length);
    const curve = curveOf(sum, grid);
    const sensitivities = sensitivitiesAt(curve);
    const detections = sum.detections[operating];
    const falsePositives = sum.falsePositives[operating];
    return {
      images: sum.images,
      lesions: sum.lesions,
      operating: {
        ...curve[grid.length - 1 - operating],
        found: sum.found[operating],
        detections,
        falsePositives,
        precision: (detections - falsePositives) / detections,
      },
      curve,
      rates: FROC_RATES.map((rate, index) => ({
        falsePositivesPerImage: rate,
        sensitivity: sensitivities[index],
      })),
      meanSensitivity: meanSensitivity(curve),
      minimumOverlap: this.minimumOverlap,
    };
  }
}

type Pooled = {
  images: number;
  lesions: number;
  found: Float64Array;
  detections: Float64Array;
  falsePositives: Float64Array;
};

function pool(entries: readonly Entry[], weights: ArrayLike<number>, levels: number): Pooled {
  const sum: Pooled = {
    images: 0,
    lesions: 0,
    found: new Float64Array(levels),
    detections: new Float64Array(levels),
    falsePositives: new Float64Array(levels),
  };
  entries.forEach(({ counts }, index) => {
    const weight = weights[index];
    if (weight === 0) return;
    sum.images += weight;
    sum.lesions += weight * counts.lesions;
    for (let level = 0; level < levels; level++) {
      sum.found[level] += weight * counts.found[level];
      sum.detections[level] += weight * counts.detections[level];
      sum.falsePositives[level] += weight * counts.falsePositives[level];
    }
  });
  return sum;
}

function curveOf({ images, lesions, found, falsePositives }: Pooled, grid: readonly number[]): FrocPoint[] {
  return grid
    .map((threshold, level) => ({
      threshold,
      falsePositivesPerImage: falsePositives[level] / images,
      sensitivity: found[level] / lesions,
    }))
    .reverse();
}

/** See {@link FrocScores.rates}. */
function sensitivitiesAt(curve: readonly FrocPoint[]): number[] {
  if (Number.isNaN(curve[0].sensitivity)) return FROC_RATES.map(() => Number.NaN);
  const sorted = [...curve].sort((left, right) => left.falsePositivesPerImage - right.falsePositivesPerImage);
  // One corner per rate: the best sensitivity at or below it.
  const corners = [{ rate: 0, sensitivity: 0 }];
  for (const { falsePositivesPerImage: rate, sensitivity } of sorted) {
    const last = corners[corners.length - 1];
    const best = Math.max(last.sensitivity, sensitivity);
    if (rate === last.rate) last.sensitivity = best;
    else corners.push({ rate, sensitivity: best });
  }
  return FROC_RATES.map((wanted) => {
    const next = corners.findIndex(({ rate }) => rate > wanted);
    if (next === -1) return corners[corners.length - 1].sensitivity;
    const [from, to] = [corners[next - 1], corners[next]];
    return from.sensitivity + ((wanted - from.rate) / (to.rate - from.rate)) * (to.sensitivity - from.sensitivity);
  });
}

function meanSensitivity(curve: readonly FrocPoint[]): number {
  return sensitivitiesAt(curve).reduce((sum, value) => sum + value, 0) / FROC_RATES.length;
}
