/** The whole work on one picture file: decode, predict, write masks and overlay. */
import { dicomFilesOf, readDicomSource, writeDicomOut } from './dicomOut.ts';
import { inferImage } from './image.ts';
import type { InferInput } from './inputs.ts';
import type { InferOptions } from './picture.ts';
import type { PictureNetwork, PreparedAs } from './pictureNetwork.ts';
import type { Provenance } from './predictionRow.ts';
import type { InferResult } from './result.ts';
import { filesOfResult, type WrittenFiles, writeResults } from './results.ts';

/** What is done to a picture, as plain data. */
export interface PictureWorkOptions extends InferOptions {
  /** The folder of the results. */
  readonly folder: string;
  /** Which files of a result are written beside its row. Default: all. */
  readonly write?: WrittenFiles | undefined;
  /** Folder of DICOM files of the results, from `openDicomOut`; needs `provenance`. Default: none. */
  readonly dicomOut?: string | undefined;
  /** By which operating point referrals are decided, for DICOM reports. */
  readonly referralNote?: string | undefined;
  /** What the rows of the table say of their origin. */
  readonly provenance?: Provenance | undefined;
}

/** A picture's result and the files that show it. */
export interface PictureDone {
  readonly result: InferResult;
  readonly files: string[];
}

/** The files that {@link workOnPicture} writes for a result. */
export function filesOfPicture(
  { name }: InferInput,
  result: InferResult,
  { folder, write, dicomOut }: Pick<PictureWorkOptions, 'folder' | 'write' | 'dicomOut'>,
): string[] {
  return [
    ...filesOfResult(folder, name, result, write),
    ...(dicomOut === undefined ? [] : dicomFilesOf(dicomOut, name, result)),
  ];
}

/** Changes a result before it is written: calibration does. */
export type AdjustResult = (result: InferResult) => InferResult | Promise<InferResult>;

/** Does it. @param keeps see {@link writeResults}. @throws GmtlError as {@link readDicomSource}, {@link inferImage} and {@link writeResults}. */
export async function workOnPicture(
  network: PictureNetwork<PreparedAs>,
  input: InferInput,
  { folder, write, dicomOut, provenance, referralNote, ...options }: PictureWorkOptions,
  adjust: AdjustResult,
  keeps = false,
): Promise<PictureDone> {
  // First: where the DICOM files cannot be had, nothing is computed, and no file written that no record names.
  const source = dicomOut !== undefined && provenance ? await readDicomSource(input.path) : null;
  const plain = await inferImage(network, input.path, options, input.frame);
  const inferred = { ...plain, result: await adjust(plain.result) };
  const files = await writeResults(folder, input, inferred, write, keeps);
  if (source && dicomOut !== undefined && provenance)
    files.push(...(await writeDicomOut(dicomOut, input, source, inferred, provenance, referralNote)));
  return { result: inferred.result, files };
}
