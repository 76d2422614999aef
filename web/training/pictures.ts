/** The pictures that the training page learns from and shows: drawn here, as `gmtl data synth` draws them. */
import type { Batch, BatchRow } from '../../src/retina/data/loading/batch.ts';
import { renderBatch } from '../../src/retina/data/loading/batch.ts';
import type { LoaderOptions } from '../../src/retina/data/loading/settings.ts';
import { addMaskBit } from '../../src/retina/data/pictures/geometry.ts';
import { preparePicture } from '../../src/retina/data/pictures/plainTools.ts';
import type { PreprocessOptions, Sample } from '../../src/retina/data/pictures/sample.ts';
import { drawFundus } from '../../src/retina/data/synth/fundus.ts';
import { allotLabels, gradingMixture, segmentationMixture, type Wanted } from '../../src/retina/data/synth/labels.ts';
import { SeededRandom } from '../../src/retina/data/synth/random.ts';
import { type DatasetItem, noMasks, type Split, STRUCTURES, type Task } from '../../src/retina/domain.ts';

/** Height of the drawn frames in pixels. */
const HEIGHT = 160;

/** A drawn picture with everything that is known about it. */
export interface Drawn {
  readonly item: DatasetItem;
  readonly sample: Sample;
}

async function draw(
  id: string,
  task: Task,
  split: Split,
  wanted: Wanted,
  preprocess: PreprocessOptions,
): Promise<Drawn> {
  const { width, height, rgb, masks, grades } = drawFundus(id, HEIGHT, wanted);
  const sample = await preparePicture({ width, height, data: rgb }, id, preprocess);
  const graded = task === 'classification';
  const item: DatasetItem = {
    ...{ id, part: graded ? 'B' : 'A', split, task, imagePath: id },
    maskPaths: graded ? null : noMasks(),
    retinopathy: graded ? grades.retinopathy : null,
    edema: graded ? grades.edema : null,
  };
  if (graded) return { item, sample };
  const maskBits = new Uint8Array(preprocess.size ** 2);
  for (const [index, structure] of STRUCTURES.entries()) {
    const data = masks[structure];
    const foreground = data.reduce((sum, value) => sum + value, 0);
    addMaskBit(
      { width, height, data, foreground },
      sample.box,
      preprocess.size,
      preprocess.maskResize,
      1 << index,
      maskBits,
    );
  }
  return { item, sample: { ...sample, maskBits } };
}

/** Draws `count` pictures of a task, one after the other. */
export async function drawPictures(
  task: Task,
  split: Split,
  count: number,
  preprocess: PreprocessOptions,
  onDrawn: () => void,
): Promise<Drawn[]> {
  const mixture = task === 'segmentation' ? segmentationMixture : gradingMixture;
  const drawn: Drawn[] = [];
  for (const [index, wanted] of allotLabels(mixture, count, new SeededRandom(`page/${task}/${split}`)).entries()) {
    drawn.push(await draw(`page/${task}/${split}/${index}`, task, split, wanted, preprocess));
    onDrawn();
  }
  return drawn;
}

type Prepared = Pick<LoaderOptions, 'preprocess' | 'normalization'> & Partial<LoaderOptions>;

/** A batch of pictures as the network reads them. */
export function batchOf(
  rows: readonly BatchRow[],
  { preprocess, normalization, augment, seed }: Prepared,
  augmented: boolean,
): Batch {
  const rendering = renderBatch(rows, rows.length, {
    ...{ size: preprocess.size, normalization, tiles: null, seed: seed ?? 0 },
    augment: augmented ? (augment ?? null) : null,
  });
  for (;;) {
    const { done, value } = rendering.next();
    if (done) return value;
  }
}
