import { join } from 'node:path';
import type { Engine } from '../autograd/engine.ts';
import { imageTensor } from '../data/index.ts';
import type { SampleSource } from '../data/loader.ts';
import { type DatasetItem, type Lesion, LESIONS } from '../data/types.ts';
import type { MultitaskNet } from '../models/network.ts';
import { writeComparison } from '../report/index.ts';
import { predict } from '../train/predict.ts';

/** Side in pixels that a picture is enlarged to, by whole factors, so that single pixels of a small network can be seen. */
const SHOWN_SIDE = 512;

function enlarge(data: Uint8Array, side: number, channels: number, factor: number): Uint8Array {
  const target = side * factor;
  const result = new Uint8Array(target * target * channels);
  for (let y = 0; y < target; y++) {
    for (let x = 0; x < target; x++) {
      const from = (Math.floor(y / factor) * side + Math.floor(x / factor)) * channels;
      for (let channel = 0; channel < channels; channel++)
        result[(y * target + x) * channels + channel] = data[from + channel];
    }
  }
  return result;
}

/**
 * Writes a picture `<folder>/<id>.png` for each item with masks: truth beside prediction, at the network's resolution.
 * @param lesions the structures of the network's masks, in their order.
 * @returns the paths written.
 */
export async function writeComparisons(
  engine: Engine,
  model: MultitaskNet,
  items: readonly DatasetItem[],
  source: SampleSource,
  folder: string,
  threshold: number,
  lesions: readonly Lesion[] = LESIONS,
): Promise<string[]> {
  const { preprocess, normalisation } = source.options;
  const written: string[] = [];
  for (const item of items.filter(({ maskPaths }) => maskPaths !== null)) {
    const sample = await source.sample(item, preprocess.size);
    if (!sample?.maskBits) continue;
    const { size, image, maskBits } = sample;
    const [{ masks }] = await predict(engine, model, imageTensor(sample, normalisation), 1, 'segmentation');
    if (!masks) continue;
    const factor = Math.max(1, Math.floor(SHOWN_SIDE / size));
    const maskOf = (is: (pixel: number, lesion: number) => boolean) =>
      Object.fromEntries(
        lesions.map((lesion, index) => {
          const mask = Uint8Array.from({ length: size * size }, (_, pixel) => Number(is(pixel, index)));
          return [lesion, enlarge(mask, size, 1, factor)];
        }),
      );
    const path = join(folder, `${item.id.replaceAll('/', '_')}.png`);
    await writeComparison(
      path,
      { rgb: enlarge(image, size, 3, factor), width: size * factor, height: size * factor },
      maskOf((pixel, index) => ((maskBits[pixel] >> LESIONS.indexOf(lesions[index])) & 1) === 1),
      maskOf((pixel, index) => masks[pixel * lesions.length + index] >= threshold),
      { title: item.id },
    );
    written.push(path);
  }
  return written;
}
