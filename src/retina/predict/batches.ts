/** Joins pictures that wait for the device at the same time into batches. */
import { GmtlError } from '../../engine/errors.ts';
import type { Predict, PredictOptions } from './pictureNetwork.ts';
import type { Prediction } from './prediction.ts';

interface Waiting {
  readonly images: Float32Array;
  readonly options: PredictOptions;
  readonly resolve: (prediction: Prediction) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Runs single pictures in batches of `size`. Each batch is full, its last picture repeated where fewer wait: kernels are chosen by the shape, and
 * so a picture's answer does not depend on which others wait beside it. Pictures that the gate routes run by themselves, since each routing of a
 * batch would be recorded anew; so do calls with several pictures.
 *
 * @param size from 1 on; 1: as they come.
 */
export function inBatches(run: Predict, size: number): Predict {
  if (!(Number.isInteger(size) && size >= 1)) {
    throw new GmtlError('infer/batch', `a batch of ${size} pictures: give a whole number from 1 on`);
  }
  if (size === 1) return run;
  const waiting: Waiting[] = [];
  let running = 0;
  const runAll = async (): Promise<void> => {
    running++;
    // Those that arrive in the same turn go together.
    await null;
    // Beside another batch, whose answers are under way, only full ones: a batch takes as long whether it is full or not.
    while (waiting.length >= (running === 1 ? 1 : size)) await runBatch(run, size, takeBatch(waiting, size));
    running--;
  };
  return async (images, count, options) => {
    if (count !== 1 || options.choice === 'gate') return run(images, count, options);
    return [
      await new Promise<Prediction>((resolve, reject) => {
        waiting.push({ images, options, resolve, reject });
        if (running === 0 || (running === 1 && waiting.length >= size)) void runAll();
      }),
    ];
  };
}

/** Takes out the first, and those that may go with it. */
function takeBatch(waiting: Waiting[], size: number): Waiting[] {
  const [{ images, options }] = waiting;
  const isLike = (other: PredictOptions): boolean => other.choice === options.choice && other.flips === options.flips;
  const batch: Waiting[] = [];
  for (let index = 0; index < waiting.length && batch.length < size; ) {
    const one = waiting[index];
    if (isLike(one.options) && one.images.length === images.length) batch.push(...waiting.splice(index, 1));
    else index++;
  }
  return batch;
}

async function runBatch(run: Predict, size: number, batch: readonly Waiting[]): Promise<void> {
  const [{ images, options }] = batch;
  let joined: Float32Array<ArrayBuffer>;
  try {
    joined = new Float32Array(size * images.length);
  } catch (cause) {
    const error = new GmtlError('infer/batch', `there is no memory for a batch of ${size} pictures: give fewer`, {
      cause,
    });
    for (const { reject } of batch) reject(error);
    return;
  }
  for (let row = 0; row < size; row++) joined.set(batch[Math.min(row, batch.length - 1)].images, row * images.length);
  try {
    const predictions = await run(joined, size, options);
    for (const [row, { resolve }] of batch.entries()) resolve(predictions[row]);
  } catch (error) {
    if (batch.length === 1) return batch[0].reject(error);
    // One picture's fault is not the others'.
    for (const one of batch) await runBatch(run, size, [one]);
  }
}
