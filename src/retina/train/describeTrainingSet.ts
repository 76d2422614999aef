/** Measures the pictures that a network is trained on, for the record that tells later what it has seen. */
import { mapParallel } from '../../engine/node/parallel.ts';
import { focusOf } from '../data/pictures/gradability.ts';
import { fitLook } from '../data/pictures/likeness.ts';
import { measureFile } from '../data/pictures/preprocess.ts';
import { type PictureStatistics, whereFieldIsSeen } from '../data/pictures/pictureStatistics.ts';
import { countItems } from '../data/sets/datasetFingerprint.ts';
import { isSynthetic } from '../data/synth/target.ts';
import type { DatasetItem } from '../domain.ts';
import { percentile } from '../metrics/bootstrap.ts';
import { startOf } from '../run/trainingSet.ts';
import type { TrainingSet } from '../run/trainingSetFormat.ts';

/** The most pictures that are measured: each is decoded once more, 0.2 s for one of 12 million pixels. */
const MOST_MEASURED = 100;

type Channels = [number, number, number];

/**
 * Describes the training pictures.
 * @param items the pictures that training draws from. Those that show no field of view are not measured.
 * @param init the file or run folder whose weights the network begins with; null: random ones.
 * @throws GmtlError `data/image-unreadable` naming the file.
 */
export async function describeTrainingSet(items: readonly DatasetItem[], init: string | null): Promise<TrainingSet> {
  const step = Math.max(1, items.length / MOST_MEASURED);
  const drawn = items.filter((_, index) => Math.floor(index / step) !== Math.floor((index - 1) / step));
  const statistics = (await mapParallel(drawn, ({ imagePath }) => whereFieldIsSeen(measureFile(imagePath)))).filter(
    (one) => one !== null,
  );
  const { segmentation, classification, retinopathy, edema } = countItems(items).train;
  const parts: Record<string, number> = {};
  for (const { part } of items) parts[part] = (parts[part] ?? 0) + 1;
  const synthetic = items.filter(({ imagePath }) => isSynthetic(imagePath)).length;
  return {
    origin: synthetic === 0 ? 'photographs' : synthetic === items.length ? 'synthetic' : 'both',
    pictures: items.length,
    parts,
    tasks: { segmentation, classification },
    grades: { retinopathy: [...retinopathy], edema: [...edema] },
    measured: statistics.length,
    ...summaryOf(statistics),
    look: fitLook(statistics),
    startedFrom: startOf(init),
  };
}

function summaryOf(statistics: readonly PictureStatistics[]): Pick<TrainingSet, 'fieldPixels' | 'color' | 'focus'> {
  if (statistics.length === 0) return { fieldPixels: null, color: null, focus: null };
  const widths = statistics.map(({ fieldPixels }) => fieldPixels);
  const meanOf = (key: 'mean' | 'std'): Channels =>
    [0, 1, 2].map((channel) =>
      Number((statistics.reduce((sum, one) => sum + one[key][channel], 0) / statistics.length).toFixed(4)),
    ) as Channels;
  const focus = Float64Array.from(statistics, focusOf).sort();
  return {
    fieldPixels: [Math.min(...widths), Math.max(...widths)],
    color: { mean: meanOf('mean'), std: meanOf('std') },
    focus: [percentile(focus, 0.05), percentile(focus, 0.95)],
  };
}
