/** The thread that {@link drawAll} gives pictures to draw. */
import { parentPort } from 'node:worker_threads';
import { packError } from '../../../engine/node/threadErrors.ts';
import type { DrawAnswer, DrawOrder } from './drawAll.ts';
import { drawFundus } from './fundus.ts';

function answer({ index, key, height, wanted }: DrawOrder): DrawAnswer {
  try {
    const { width, rgb, masks } = drawFundus(key, height, wanted);
    return { index, drawn: { width, height, rgb, masks } };
  } catch (error) {
    return { index, refused: packError(error) };
  }
}

parentPort?.on('message', (order: DrawOrder) => {
  const given = answer(order);
  const pixels = 'drawn' in given ? [given.drawn.rgb, ...Object.values(given.drawn.masks)] : [];
  parentPort?.postMessage(
    given,
    pixels.map(({ buffer }) => buffer as ArrayBuffer),
  );
});
