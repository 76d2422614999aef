/** Inference on a list of image files, with masks, overlays and a table of what was found: the work of `gmtl infer`. */
import { GmtlError } from '../../engine/errors.ts';
import { inferImage } from './image.ts';
import type { InferOptions } from './picture.ts';
import { type InferResult, summary } from './result.ts';
import type { InferInput } from './inputs.ts';
import type { Predictor } from './predictor.ts';
import { type ResultsFolder, writeResults } from './results.ts';

/** Codes of errors that concern one image and do not stop the others. */
const IMAGE_FAULTS: readonly string[] = ['data/image-unreadable', 'infer/no-fundus'];

/** The outcome for one image: a result and the files that show it, or the reason why there is none. */
export type PictureOutcome =
  | {
      readonly input: InferInput;
      readonly result: InferResult;
      readonly files: string[];
      readonly milliseconds: number;
    }
  | { readonly input: InferInput; readonly error: GmtlError };

export interface InferPicturesOptions extends InferOptions {
  /** Changes a result before it is written: calibration does. */
  readonly adjust?: (result: InferResult) => InferResult;
  /** Called with each image's outcome as soon as its files are written. */
  readonly onPicture?: (outcome: PictureOutcome, index: number) => void;
  /** Aborting it ends the work after the picture under way; the table is written. */
  readonly stop?: AbortSignal;
}

/**
 * Runs inference on the images one after the other and writes the results of each into the folder. An image that cannot be read, or shows no
 * fundus, does not stop the others.
 *
 * @param results from `openResults`, for the same inputs.
 * @throws GmtlError as {@link inferImage} where it is the only image, and as {@link writeResults}.
 */
export async function inferPictures(
  predictor: Predictor,
  inputs: readonly InferInput[],
  { folder, table }: ResultsFolder,
  { adjust = (result) => result, onPicture, stop, ...options }: InferPicturesOptions,
): Promise<PictureOutcome[]> {
  const outcomes: PictureOutcome[] = [];
  const look = async (input: InferInput): Promise<PictureOutcome> => {
    const start = performance.now();
    try {
      const plain = await inferImage(predictor, input.path, options);
      const inferred = { ...plain, result: adjust(plain.result) };
      const files = await writeResults(folder, input, inferred);
      await table.add(inferred.result);
      return { input, result: inferred.result, files, milliseconds: Math.round(performance.now() - start) };
    } catch (error) {
      if (!(error instanceof GmtlError) || !IMAGE_FAULTS.includes(error.code)) throw error;
      await table.add({ file: input.path, error: error.message });
      if (inputs.length === 1) throw error;
      return { input, error };
    }
  };
  try {
    for (const [index, input] of inputs.entries()) {
      if (stop?.aborted) break;
      const outcome = await look(input);
      outcomes.push(outcome);
      onPicture?.(outcome, index);
    }
  } finally {
    await table.write();
  }
  return outcomes;
}

/** An outcome as a few lines of readable text. */
export function outcomeLines(outcome: PictureOutcome): string[] {
  if ('error' in outcome) return [`error: ${outcome.error.message}`];
  const { lesions, warnings } = outcome.result;
  const areas = Object.entries(lesions ?? {}).map(
    ([lesion, { share, regions }]) => `${lesion} ${(100 * share).toFixed(2)} % (${regions})`,
  );
  return [
    summary(outcome.result),
    ...(lesions ? [`    share of the frame (regions): ${areas.join(', ')}`] : []),
    ...warnings.map((warning) => `warning: ${outcome.input.path}: ${warning}`),
  ];
}
