/** Judges what a data set holds as a whole: halves that are missing, masks that mark nothing or far too much. */
import { type ErrorCode, GmtlError } from '../../../engine/errors.ts';
import { type DatasetItem, type Split, type Structure, STRUCTURE_NAMES, TASKS, type Task } from '../../domain.ts';

/** How much of the frames a structure's masks mark. */
export interface MaskCoverage {
  readonly split: Split;
  readonly structure: Structure;
  readonly images: number;
  readonly files: number;
  /** Mask files IDRiD has of this structure in this split; null for validation. */
  readonly official: number | null;
  /** Mask files without a foreground pixel. */
  readonly empty: number;
  /** Foreground pixels over all masks. */
  readonly pixels: number;
  /** Foreground share over all frames of the split, absent files counted as empty. */
  readonly share: number;
  /** The fullest mask's share of its frame. */
  readonly largestShare: number;
}

/**
 * The share of the frame that a structure's masks mark on average in IDRiD's pictures, cut to the field of view (32 training pictures:
 * MA 0.15, HE 1.2, EX 1.4, SE 0.2, OD 1.9 %).
 */
const USUAL_SHARE: Readonly<Record<Structure, number>> = { MA: 0.0015, HE: 0.012, EX: 0.014, SE: 0.002, OD: 0.019 };

/** A share so many times the usual one does not come from the disease: the mask is another structure's, or means something else. */
const FAR_TOO_MUCH = 10;

const PART: Readonly<Record<Task, string>> = {
  segmentation: 'images with masks (part A, "A. Segmentation")',
  classification: 'graded images (part B, "B. Disease Grading")',
};
const SHARE: Readonly<Record<Task, string>> = {
  segmentation: 'data.segmentationPerBatch=0',
  classification: 'data.classificationPerBatch=0',
};

const problem = (code: ErrorCode, message: string): GmtlError => new GmtlError(code, message);

/** Problems of masks: a structure whose files are all empty, optic discs that are not there, far more marked than usual. */
export function judgeCoverage(coverage: readonly MaskCoverage[]): GmtlError[] {
  return coverage.flatMap(({ split, structure, files, empty, share, images }) => {
    const name = `${structure} (${STRUCTURE_NAMES[structure]})`;
    if (files > 0 && empty === files) {
      const many = files === 1 ? 'the one mask' : `all ${files} masks`;
      return problem(
        'data/masks-empty',
        `${split}: ${many} of ${name} mark nothing. A structure that is absent from an image has no file: the masks were saved with ` +
          'values that were lost, or belong to something else. Look at one in a viewer.',
      );
    }
    if (structure === 'OD' && empty > 0) {
      return problem(
        'data/masks-empty',
        `${split}: ${empty} of ${files} masks of ${name} mark nothing. Save them again, or remove them.`,
      );
    }
    if (share > FAR_TOO_MUCH * USUAL_SHARE[structure]) {
      return problem(
        'data/masks-large',
        `${split}: the masks of ${name} mark ${percent(share)} of the ${images} frames, ${(share / USUAL_SHARE[structure]).toFixed(0)} times the usual ` +
          `${percent(USUAL_SHARE[structure])}. They may be another structure's, inverted, or drawn as boxes.`,
      );
    }
    return [];
  });
}

/** Problems of a set read from a folder: a task or one of its splits that has no image at all. */
export function judgeParts(items: readonly DatasetItem[]): GmtlError[] {
  if (items.length === 0) return [];
  return TASKS.flatMap((task) => {
    const own = items.filter((item) => item.task === task);
    if (own.length === 0) {
      return problem(
        'data/part-missing',
        `There are no ${PART[task]}: half of the data is missing. Unpack it beside the rest; to train without it on purpose: --set ${SHARE[task]}.`,
      );
    }
    const without = (['train', 'test'] as const).find((split) => !own.some((item) => item.split === split));
    if (without === undefined) return [];
    return problem(
      'data/part-missing',
      `There are no ${without === 'train' ? 'training' : 'testing'} images among the ${own.length} ${PART[task]}. ` +
        'Unpack them beside the rest.',
    );
  });
}

const percent = (share: number): string => `${(100 * share).toPrecision(2)} %`;
