/** Arranges batches for hard routing: as the gate itself decides. */
import type { Engine } from '../../engine/autograd/engine.ts';
import type { Batch } from '../data/loading/batch.ts';
import { TASK_INDEX } from '../domain.ts';
import type { MultitaskNet } from '../network/network.ts';
import { type ArrangedBatch, arrange } from '../network/routing.ts';
import { imageShape } from './stepInputs.ts';

/** Asks the gate; a row that it sends to the other task's expert has no labels there and teaches the gate alone. */
export async function arrangeHard(engine: Engine, model: MultitaskNet, batch: Batch): Promise<ArrangedBatch> {
  const logits = await gateLogits(engine, model, batch);
  const { order, routes } = arrange(batch, 'hard');
  const kept = (places: readonly number[], task: number): number[] =>
    places.filter((place) => (logits[2 * order[place] + 1] > logits[2 * order[place]] ? 1 : 0) === task);
  const { segmentation, classification } = TASK_INDEX;
  return {
    order,
    routes: {
      segmentation: kept(routes.segmentation, segmentation),
      classification: kept(routes.classification, classification),
    },
  };
}

async function gateLogits(engine: Engine, model: MultitaskNet, batch: Batch): Promise<ArrayLike<number>> {
  const image = engine.tensor(batch.image, imageShape(batch));
  const gateLogits = engine.noGrad(() =>
    engine.scope(() => {
      model.eval();
      const logits = model.encode(image).gateLogits;
      model.train();
      return logits;
    }),
  );
  const logits = await gateLogits.data();
  gateLogits.dispose();
  image.dispose();
  return logits;
}
