/** Lists the frames of DICOM files among the pictures to look at. */
import { extname } from 'node:path';
import { GmtlError } from '../../engine/errors.ts';
import { mapParallel } from '../../engine/node/parallel.ts';
import type { DicomFacts } from '../data/pictures/dicomFacts.ts';
import { dicomFacts } from '../data/pictures/openPicture.ts';
import type { InferInput } from './inputs.ts';

/** Files whose names say another format are not opened to be asked. */
const OTHER = /^\.(png|jpe?g|tiff?|webp|gif)$/i;

export interface ExpandFramesOptions {
  /** This frame alone, from 1. Default: all. */
  readonly frame?: number | undefined;
  /** Whether results are to be DICOM files too. Default false. */
  readonly dicomOut?: boolean;
}

/**
 * Gives each frame of a DICOM file with several an input of its own (`eye_frame1`, `eye_frame2` …). A file that cannot be read stays as it
 * is: the error comes when it is looked at.
 *
 * @throws GmtlError `infer/frame` where a frame, and `infer/dicom-out` where DICOM files are asked of files that are none.
 */
export async function expandFrames(
  inputs: readonly InferInput[],
  { frame, dicomOut = false }: ExpandFramesOptions = {},
): Promise<InferInput[]> {
  if (frame !== undefined && !(Number.isInteger(frame) && frame >= 1)) {
    throw new GmtlError('cli/usage', `--frame ${frame}: give a whole number from 1 on`);
  }
  const facts = await mapParallel(inputs, ({ path }) => factsOf(path));
  const other = facts.indexOf(null);
  if (frame !== undefined && other >= 0) {
    throw new GmtlError(
      'infer/frame',
      `${inputs[other].path} is not a DICOM file: --frame chooses among the frames of one`,
    );
  }
  if (dicomOut && other >= 0) {
    throw new GmtlError(
      'infer/dicom-out',
      `${inputs[other].path} is not a DICOM file: results can be DICOM files for those alone, whose patient and study they name. Leave --dicom-out or the file out.`,
    );
  }
  const expanded = inputs.flatMap((input, index): InferInput[] => {
    const frames = facts[index] ? facts[index].frames : 1;
    if (frames === 1) return [{ ...input, ...(frame !== undefined && { frame }) }];
    const wanted = frame === undefined ? Array.from({ length: frames }, (_, k) => k + 1) : [frame];
    return wanted.map((one) => ({ ...input, name: `${input.name}_frame${one}`, frame: one }));
  });
  const names = new Set<string>();
  for (const { name, path } of expanded) {
    if (names.has(name.toLowerCase())) {
      throw new GmtlError('infer/frame', `${path}: another picture's results have the name ${name} too. Rename one.`);
    }
    names.add(name.toLowerCase());
  }
  return expanded;
}

/** Null for what is not a DICOM file; undefined for one that cannot be read. */
async function factsOf(path: string): Promise<DicomFacts | null | undefined> {
  if (OTHER.test(extname(path))) return null;
  try {
    return await dicomFacts(path);
  } catch {
    return undefined;
  }
}
