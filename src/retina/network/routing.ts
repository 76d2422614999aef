/** Which expert learns from which rows of a batch, and how a gate blends the experts' answers. */
import type { Tensor } from '../../engine/autograd/tensor.ts';
import type { Batch } from '../data/loading/batch.ts';
import { KeyedRandom, STREAMS } from '../random.ts';
import type { ExpertOutput, Routes } from './network.ts';
import { TASK_INDEX } from '../domain.ts';
import * as F from '../../engine/nn/functional.ts';
import { equalProgram } from '../../engine/ops/binary/program.ts';
import type { TrainConfig } from '../config/schema.ts';

/**
 * - supervised: the expert of the row's own task.
 * - soft: every expert that has a label for the row; its answer is blended with an uninformed one by the gate's probability.
 * - hard: the expert of the row's own task, if the gate chooses it.
 * - gumbel: as soft, with a random choice of 0 or 1 in place of the gate's probability (Jang et al. 2017, straight-through).
 * - both: every expert that has a label for the row; the gate is trained beside them.
 * - none: as both, but the gate is not trained.
 */
export type Routing = TrainConfig['training']['routing'];

/** A batch's rows in an order with few distinct shapes, and the experts that have labels for them. */
export interface ArrangedBatch {
  /** Row `order[k]` of the batch stands at place k. */
  readonly order: readonly number[];
  /** The places that each expert gets. */
  readonly routes: Routes;
}

const range = (start: number, end: number): number[] =>
  Array.from({ length: end - start }, (_, index) => start + index);

/** The experts each row can teach under `routing`. For `hard`, before the gate's choice is applied. */
export function arrange(batch: Batch, routing: Routing): ArrangedBatch {
  const count = batch.task.length;
  const rows = range(0, count);
  const bySide = routing === 'supervised' || routing === 'hard';
  const segments = (row: number): boolean =>
    bySide ? batch.task[row] === TASK_INDEX.segmentation : batch.hasMasks[row] === 1;
  const grades = (row: number): boolean =>
    bySide ? batch.task[row] === TASK_INDEX.classification : batch.retinopathy[row] >= 0 || batch.edema[row] >= 0;
  // Masks alone, masks and grades, grades alone, nothing: in this order the routes are ranges, and one recorded step fits many batches.
  const kind = (row: number): number => (segments(row) ? (grades(row) ? 1 : 0) : grades(row) ? 2 : 3);
  const order = rows.toSorted((a, b) => kind(a) - kind(b) || a - b);
  const places = (wanted: (row: number) => boolean): number[] => rows.filter((place) => wanted(order[place]));
  return { order, routes: { segmentation: places(segments), classification: places(grades) } };
}

/**
 * Blends each expert's logits with those of an expert that knows nothing, by the row's weight p for that expert: prior + p (z - prior). The
 * prior is the mask head's initial logit, and 0 for grades. At p = 1 the expert stands alone; at p = 0 the row teaches it nothing, and
 * the loss is that of the uninformed answer, so that the gate cannot lower the loss to 0 by turning rows away.
 *
 * @param weights [N, 2]: weight of each row for segmentation and for classification.
 */
export function blendExperts(
  output: ExpertOutput,
  weights: Tensor,
  routes: Routes,
  maskPriorLogit: number,
): ExpertOutput {
  const of = (rows: readonly number[], index: number, rank: number): Tensor =>
    F.selectRows(weights, rows)
      .slice(1, index, index + 1)
      .reshape([rows.length, ...new Array<number>(rank - 1).fill(1)]);
  const { maskLogits, retinopathyLogits, edemaLogits } = output;
  const graded = (logits: Tensor): Tensor => logits.mul(of(routes.classification, TASK_INDEX.classification, 2));
  return {
    maskLogits:
      maskLogits
        ?.affine(1, -maskPriorLogit)
        .mul(of(routes.segmentation, TASK_INDEX.segmentation, 4))
        .affine(1, maskPriorLogit) ?? null,
    retinopathyLogits: retinopathyLogits && graded(retinopathyLogits),
    edemaLogits: edemaLogits && graded(edemaLogits),
  };
}

/**
 * Straight-through Gumbel-softmax (Jang et al. 2017; Maddison et al. 2017): one of the two experts for each row, drawn by the gate; its
 * gradient is that of softmax((logits + noise) / tau).
 *
 * @param noise [N, 2] standard Gumbel numbers; `inverseTau`: [1].
 * @returns [N, 2], each row (0, 1) or (1, 0) in value.
 */
export function gumbelChoice(logits: Tensor, noise: Tensor, inverseTau: Tensor): Tensor {
  const { engine } = logits;
  const soft = F.softmax(logits.add(noise).mul(inverseTau));
  const correction = engine.noGrad(() => {
    const values = soft.detach();
    const [chosen] = engine.run(equalProgram, [values, values.max([1], true)], {});
    return chosen.sub(values);
  });
  return soft.add(correction);
}

/** Standard Gumbel numbers for a step, [N, 2] row-major: -log(-log u). A function of (seed, step) only. */
export function gumbelNoise(seed: number, step: number, rows: number): Float32Array {
  const random = new KeyedRandom(seed, STREAMS.gumbel, step);
  return Float32Array.from({ length: 2 * rows }, () => {
    const uniform = Math.min(1 - 2 ** -24, Math.max(2 ** -24, random.uniform()));
    return -Math.log(-Math.log(uniform));
  });
}

/** The temperature of a step, falling geometrically from the first to the second of `range`. */
export function gumbelTau([first, last]: readonly [number, number], step: number, totalSteps: number): number {
  const part = totalSteps > 1 ? Math.min(1, step / (totalSteps - 1)) : 1;
  return first * (last / first) ** part;
}
