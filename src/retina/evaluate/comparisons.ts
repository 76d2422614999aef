/** Pictures of truth beside prediction, one file per image. */
import { join } from 'node:path';
import type { GalleryImage, MaskSet } from '../report/html/data.ts';
import { writeOwn } from '../report/ownFiles.ts';
import { type StructureMasks, renderComparison } from '../report/overlay.ts';
import type { RgbImage } from '../domain.ts';

/** Masks scaled to an image's size by nearest neighbor, so that single pixels of a small network's masks stay visible. */
function fitted({ width, height, masks }: MaskSet, image: RgbImage): StructureMasks {
  const resize = (mask: Uint8Array): Uint8Array => {
    const result = new Uint8Array(image.width * image.height);
    for (let y = 0; y < image.height; y++) {
      const row = Math.floor((y * height) / image.height) * width;
      for (let x = 0; x < image.width; x++) {
        result[y * image.width + x] = mask[row + Math.floor((x * width) / image.width)];
      }
    }
    return result;
  };
  return Object.fromEntries(Object.entries(masks).map(([structure, mask]) => [structure, resize(mask)]));
}

/** The picture of an image. */
export const comparisonFile = (folder: string, id: string): string => join(folder, `${id.replaceAll('/', '_')}.png`);

/**
 * Writes a picture `<folder>/<id>.png` for each scored image with masks: truth beside prediction, in the frame and at the threshold of the gallery
 * (`GalleryCollector`), from the same predictions as the figures.
 * @returns the paths written.
 */
export async function writeComparisons(pictures: AsyncIterable<GalleryImage>, folder: string): Promise<string[]> {
  const written: string[] = [];
  for await (const { id, image, truthMasks, predictedMasks } of pictures) {
    if (!truthMasks || !predictedMasks) continue;
    const path = comparisonFile(folder, id);
    const [truth, predicted] = [fitted(truthMasks, image), fitted(predictedMasks, image)];
    await writeOwn(path, await renderComparison(image, truth, predicted, { title: id }), 'evaluate');
    written.push(path);
  }
  return written;
}
