/** Generates a synthetic data set in the IDRiD layout. */
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { sharp } from '../../../engine/node/optional.ts';
import { GmtlError } from '../../../engine/errors.ts';
import { STRUCTURES, type Structure } from '../../domain.ts';
import { drawAll, type Drawn } from './drawAll.ts';
import { allotLabels, gradingMixture, segmentationMixture, type Wanted } from './labels.ts';
import {
  allFolders,
  gradingCsv,
  gradingImage,
  gradingName,
  gradingTable,
  type Half,
  segmentationImage,
  segmentationMask,
  segmentationName,
} from './layout.ts';
import { SeededRandom } from './random.ts';
import { buildAside, type ContentOptions, findExisting, type SetCounts } from './target.ts';
import { makeFolders } from '../../../engine/node/atomic.ts';

const optionsSchema = z.object({
  seed: z.int().default(1),
  // Below 64 the lesions of the severe grades do not fit; more than IDRiD's height gains nothing.
  size: z.int().min(64).max(2848).default(256),
  segmentationTrain: z.int().min(0).default(24),
  segmentationTest: z.int().min(0).default(8),
  gradingTrain: z.int().min(0).default(48),
  gradingTest: z.int().min(0).default(16),
});

export interface SyntheticOptions {
  /** Where the set goes. It must not exist, be empty, or hold a set generated with these very options. */
  readonly directory: string;
  /** Any integer (default 1): the same seed gives byte-identical files (with the same version of the image codec). */
  readonly seed?: number;
  /** Height of the frames in pixels, 64..2848 (default 256); they are 1.5 times as wide, as IDRiD's are. */
  readonly size?: number;
  /** Images of "A. Segmentation" (default 24 and 8). Names have two digits as IDRiD's, and more from the hundredth on. */
  readonly segmentationTrain?: number;
  readonly segmentationTest?: number;
  /** Images of "B. Disease Grading" (default 48 and 16). Among them are the eyes of part A, as far as their grades fit. */
  readonly gradingTrain?: number;
  readonly gradingTest?: number;
  /** Called after each picture has been drawn and written; not called when the set already exists. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Generates a synthetic stand-in for IDRiD in the official folder layout: drawn retinas with exact lesion masks (part A)
 * and with grades that follow from the lesions (part B). For demonstrations and tests where the real set is not at hand;
 * microaneurysms are drawn about three times as large as life, so that they survive training at 96 to 128 pixels.
 *
 * The set appears in `directory` at once and complete, or not at all; one that is already there with the same options is
 * kept as it is.
 *
 * @returns how many images and mask files the set holds, and its absolute path
 * @throws GmtlError `data/synthetic-options` for an option out of range, `data/synthetic-directory` when something else
 *   stands in `directory`, `io/...` when the disk refuses
 */
export async function generateSyntheticIdrid(
  options: SyntheticOptions,
): Promise<{ images: number; masks: number; directory: string }> {
  const content = checkOptions(options);
  const directory = resolve(options.directory);
  const existing = await findExisting(directory, content);
  const counts =
    existing ?? (await buildAside(directory, content, (temporary) => writeSet(temporary, content, options.onProgress)));
  return { images: counts.images, masks: counts.masks, directory };
}

function checkOptions(options: SyntheticOptions): ContentOptions {
  const parsed = optionsSchema.safeParse(options);
  if (!parsed.success) {
    const issues = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ');
    throw new GmtlError('data/synthetic-options', `synthetic data set: ${issues}`);
  }
  if (parsed.data.segmentationTrain + parsed.data.gradingTrain === 0) {
    throw new GmtlError(
      'data/synthetic-options',
      'synthetic data set: segmentationTrain and gradingTrain are both 0: a set without training images trains nothing',
    );
  }
  return parsed.data;
}

/** One picture to draw and write. */
interface Job {
  readonly key: string;
  readonly wanted: Wanted;
  /** Where it goes: an eye of part A may stand in part B too. */
  readonly images: string[];
  /** Where a mask of this kind goes, or null for an eye of part B alone, which has none. */
  readonly mask: ((kind: Structure) => string) | null;
}

async function writeSet(
  root: string,
  content: ContentOptions,
  onProgress: SyntheticOptions['onProgress'],
): Promise<SetCounts> {
  for (const folder of allFolders()) makeFolders(join(root, folder));
  const jobs: Job[] = [];
  for (const half of ['train', 'test'] as const) {
    const masked = segmentationJobs(content, half);
    const { rows, unmasked } = gradingJobs(content, half, masked);
    await writeFile(join(root, gradingTable(half)), gradingCsv(half, rows));
    jobs.push(...masked, ...unmasked);
  }
  let masks = 0;
  let writing: Promise<number> = Promise.resolve(0);
  try {
    let index = 0;
    for await (const fundus of drawAll(jobs.map(({ key, wanted }) => ({ key, height: content.size, wanted })))) {
      // One image is written while the next is drawn.
      masks += await writing;
      if (index > 0) onProgress?.(index, jobs.length);
      writing = writeFundus(root, jobs[index++], fundus);
      // A failure is thrown when it is awaited, not while the next picture is still being drawn.
      writing.catch(() => undefined);
    }
    masks += await writing;
  } catch (error) {
    // Nothing may still be writing when the caller removes the directory.
    await Promise.allSettled([writing]);
    throw error;
  }
  if (jobs.length > 0) onProgress?.(jobs.length, jobs.length);
  return { images: jobs.reduce((sum, { images }) => sum + images.length, 0), masks };
}

function segmentationJobs(content: ContentOptions, half: Half): Job[] {
  const count = half === 'train' ? content.segmentationTrain : content.segmentationTest;
  const first = half === 'train' ? 1 : content.segmentationTrain + 1;
  const labels = allotLabels(segmentationMixture, count, new SeededRandom(`${content.seed}/segmentation/${half}`));
  return labels.map((wanted, index) => {
    const name = segmentationName(first + index);
    return {
      key: `${content.seed}/segmentation/${half}/${index}`,
      wanted,
      images: [segmentationImage(half, name)],
      mask: (kind) => segmentationMask(half, name, kind),
    };
  });
}

/**
 * The rows of part B's table. A row whose labels an eye of part A has is that eye, as in IDRiD, whose parts share eyes: masks exist only
 * for eyes with lesions, and most such eyes are graded too. The other rows are eyes to draw.
 */
function gradingJobs(
  content: ContentOptions,
  half: Half,
  masked: readonly Job[],
): { rows: (Wanted & { readonly name: string })[]; unmasked: Job[] } {
  const count = half === 'train' ? content.gradingTrain : content.gradingTest;
  const labels = allotLabels(gradingMixture, count, new SeededRandom(`${content.seed}/grading/${half}`));
  const rows = labels.map((wanted, index) => ({ ...wanted, name: gradingName(index + 1) }));
  const left = new Map<string, Job[]>();
  for (const job of masked) {
    const alike = left.get(labelsOf(job.wanted));
    if (alike) alike.push(job);
    else left.set(labelsOf(job.wanted), [job]);
  }
  const unmasked: Job[] = [];
  for (const { name, ...wanted } of rows) {
    const image = gradingImage(half, name);
    const eye = left.get(labelsOf(wanted))?.shift();
    if (eye) eye.images.push(image);
    else unmasked.push({ key: `${content.seed}/grading/${half}/${name}`, wanted, images: [image], mask: null });
  }
  return { rows, unmasked };
}

const labelsOf = ({ retinopathy, edema, softExudates }: Wanted): string =>
  JSON.stringify([retinopathy, edema, softExudates]);

/** Writes one picture to each of its places, and its masks; a mask without foreground is left out, as IDRiD does. Returns the number of masks. */
async function writeFundus(root: string, job: Job, fundus: Drawn): Promise<number> {
  const { width, height } = fundus;
  const quality = new SeededRandom(`${job.key}/jpeg`).between(84, 94);
  const files: Promise<unknown>[] = [
    sharp(fundus.rgb, { raw: { width, height, channels: 3 } })
      .jpeg({ quality })
      .toBuffer()
      .then((bytes) => Promise.all(job.images.map((image) => writeFile(join(root, image), bytes)))),
  ];
  let masks = 0;
  if (job.mask) {
    for (const kind of STRUCTURES) {
      const mask = fundus.masks[kind];
      if (!mask.includes(1)) continue;
      const path = join(root, job.mask(kind));
      masks++;
      // 1-bit like the official masks, but bilevel: the codec writes no palette TIFF. It splits at 128, hence 255.
      files.push(
        sharp(
          mask.map((bit) => 255 * bit),
          { raw: { width, height, channels: 1 } },
        )
          .toColourspace('b-w')
          .tiff({ bitdepth: 1, compression: 'lzw', predictor: 'none' })
          .toBuffer()
          .then((bytes) => writeFile(path, bytes)),
      );
    }
  }
  const failed = (await Promise.allSettled(files)).find((result) => result.status === 'rejected');
  if (failed) throw failed.reason;
  return masks;
}
