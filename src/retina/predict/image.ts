/** Runs the network on an image file. */
import { checkAttributes } from '../../engine/arguments.ts';
import { decodeImage, preprocessImage } from '../data/pictures/preprocess.ts';
import { inferPicture, type InferOptions } from './picture.ts';
import type { PictureNetwork, PreparedAs } from './pictureNetwork.ts';
import type { Inferred } from './result.ts';

/**
 * Decodes one image, prepares it as the predictor's pictures are and runs the network on it.
 *
 * @param frame of a DICOM file with several, from 1.
 * @throws GmtlError `data/image-unreadable` or `infer/no-fundus` naming the file.
 */
export async function inferImage(
  predictor: PictureNetwork<PreparedAs>,
  file: string,
  options: InferOptions,
  frame?: number,
): Promise<Inferred> {
  checkAttributes('inferImage', { file: 'path', frame: 'extent?' }, { file, frame });
  return inferPicture(predictor, await decodeImage(file, undefined, frame), file, preprocessImage, options);
}
