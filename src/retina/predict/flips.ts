/** Test-time flips: averages the predictions for a picture and its mirror images. */
import { meanPrediction, spreadOf } from './combine.ts';
import type { Prediction } from './prediction.ts';

/** Runs a network on `count` normalized pictures [count, S, S, 3]; one prediction each, masks [S, S, L]. */
export type TilePredictor = (images: Float32Array, count: number) => Promise<readonly Prediction[]>;

const FLIPS = [
  { x: false, y: false },
  { x: true, y: false },
  { x: false, y: true },
  { x: true, y: true },
] as const;

/** Adds `source` [S, S, C], mirrored, to `target`. A flip undoes itself, so the same loop mirrors pictures and restores masks. */
function addFlipped(source: Float32Array, side: number, x: boolean, y: boolean, target: Float32Array, start = 0): void {
  const channels = source.length / (side * side);
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      const from = channels * ((y ? side - 1 - row : row) * side + (x ? side - 1 - column : column));
      const to = start + channels * (row * side + column);
      for (let channel = 0; channel < channels; channel++) target[to + channel] += source[from + channel];
    }
  }
}

/**
 * A predictor that averages probabilities over the four flips (none, left-right, top-bottom, both), masks mirrored back. Four times the
 * work, one flip after the other, so that the network's batch stays as it is. Gate and grade probabilities are averaged too.
 *
 * @throws GmtlError `infer/flips` where an expert ran for some flips only: let the given predictor run fixed experts, not the gate's choice.
 */
export function predictFlips(run: TilePredictor): TilePredictor {
  return async (images, count) => {
    const side = Math.round(Math.sqrt(images.length / count / 3));
    const length = 3 * side * side;
    const flipped: (readonly Prediction[])[] = [];
    for (const { x, y } of FLIPS) {
      let view = images;
      if (x || y) {
        view = new Float32Array(images.length);
        for (let row = 0; row < count; row++)
          addFlipped(images.subarray(row * length, (row + 1) * length), side, x, y, view, row * length);
      }
      const predictions = await run(view, count);
      flipped.push(predictions.map((one) => ({ ...one, masks: one.masks && unflip(one.masks, side, x, y) })));
    }
    return Array.from({ length: count }, (_, row): Prediction => {
      const of = flipped.map((predictions) => predictions[row]);
      return { ...meanPrediction(of, 'mirror images'), spread: { flips: spreadOf(of) } };
    });
  };
}

function unflip(masks: Float32Array, side: number, x: boolean, y: boolean): Float32Array {
  if (!x && !y) return masks;
  const out = new Float32Array(masks.length);
  addFlipped(masks, side, x, y, out);
  return out;
}
