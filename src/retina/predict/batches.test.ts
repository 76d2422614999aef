/** Tier: no adapter. Pictures that wait at the same time go to the device together, and one's answer is its own. */
import { expect, it } from 'vitest';
import { GmtlError } from '../../engine/errors.ts';
import { inBatches } from './batches.ts';
import type { PredictOptions } from './pictureNetwork.ts';
import type { Prediction } from './prediction.ts';

/** A network whose gate says the picture's first value; it is slow, and fails on 13. */
function network() {
  const calls: { readonly values: readonly number[]; readonly choice: string }[] = [];
  const run = async (images: Float32Array, count: number, { choice }: PredictOptions): Promise<Prediction[]> => {
    const length = images.length / count;
    const values = Array.from({ length: count }, (_, row) => images[row * length]);
    calls.push({ values, choice });
    await new Promise((resolve) => setTimeout(resolve, 5));
    if (values.includes(13)) throw new GmtlError('infer/not-finite', 'thirteen');
    const routed = { segmentation: true, classification: false };
    return values.map((value) => ({
      ...{ gate: new Float32Array([value, 0]), routed, masks: null, retinopathy: null, edema: null },
    }));
  };
  return { calls, run };
}
const picture = (value: number, length = 12): Float32Array => new Float32Array(length).fill(value);

it('fills batches with those that wait, repeats the last where fewer do, and keeps choices and sizes apart', async () => {
  const { calls, run } = network();
  const batched = inBatches(run, 3);
  const asked = [
    ...[1, 2, 3, 4].map((value) => batched(picture(value), 1, { choice: 'both' })),
    batched(picture(5), 1, { choice: 'segmentation' }),
    batched(picture(6, 48), 1, { choice: 'both' }),
    batched(picture(7), 1, { choice: 'gate' }),
    batched(Float32Array.of(...picture(8), ...picture(9)), 2, { choice: 'both' }),
  ];
  const answers = await Promise.all(asked);
  expect(answers.map((rows) => rows.map(({ gate }) => gate[0]))).toEqual([[1], [2], [3], [4], [5], [6], [7], [8, 9]]);
  const sorted = calls.map(({ values, choice }) => `${choice} ${values.join()}`).sort();
  expect(sorted).toEqual(['both 1,2,3', 'both 4,4,4', 'both 6,6,6', 'both 8,9', 'gate 7', 'segmentation 5,5,5']);
});

it("refuses a picture of a batch for that picture's fault alone", async () => {
  const batched = inBatches(network().run, 4);
  const settled = await Promise.allSettled([1, 13, 2].map((value) => batched(picture(value), 1, { choice: 'both' })));
  expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(() => inBatches(network().run, 0)).toThrow(/a batch of 0 pictures/);
  const huge = inBatches(network().run, 1e13);
  await expect(huge(picture(1), 1, { choice: 'both' })).rejects.toThrow(/no memory for a batch of 10000000000000/);
});

it('hands the next batch over while the answers of one are under way, if it is full', async () => {
  const { calls, run } = network();
  let [open, most] = [0, 0];
  let answer = (): void => {};
  const held = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const batched = inBatches(async (images, count, options) => {
    most = Math.max(most, ++open);
    await held;
    return run(images, count, options).finally(() => open--);
  }, 2);
  const ask = (value: number) => batched(picture(value), 1, { choice: 'both' });
  const first = ask(1);
  await new Promise((resolve) => setTimeout(resolve, 1));
  const second = ask(2);
  await new Promise((resolve) => setTimeout(resolve, 1));
  expect([open, most]).toEqual([1, 1]);
  const others = [3, 4, 5].map(ask);
  await new Promise((resolve) => setTimeout(resolve, 1));
  answer();
  await Promise.all([first, second, ...others]);
  expect(most).toBe(2);
  expect(calls.map(({ values }) => values)).toEqual([
    [1, 1],
    [2, 3],
    [4, 5],
  ]);
});
