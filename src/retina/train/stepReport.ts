/** What a training step tells of itself: put together on the device, read back in one piece. */
import type { Tensor } from '../../engine/autograd/tensor.ts';
import type { Batch } from '../data/loading/batch.ts';
import { decideGrade, type GradeDecision } from '../metrics/inputs.ts';
import { gradeOutputs, type MultitaskOutput } from '../network/network.ts';
import { GRADED_TASKS, type GradedTask } from '../domain.ts';
import type { LossScaleState } from '../../engine/optim/gradientGuard.ts';
import { LOSS_PARTS, type LossPart, type Objective } from './objective.ts';
import type { ArrangedBatch } from '../network/routing.ts';
import { WEIGHTED_TASKS, type WeightedTask } from './weighting/weighting.ts';

/** Plain JSON: part of a checkpoint. */
export type GradeCount = { readonly right: number; readonly of: number };

/** What one step reports, read back from the device in one piece. Means over the micro-batches where there are several. */
export interface StepReport {
  /** Loss parts; NaN for a part whose rows were absent. */
  readonly losses: Readonly<Record<LossPart, number>>;
  /** Weight of each task's loss; NaN for a task whose rows were absent. */
  readonly weights: Readonly<Record<WeightedTask, number>>;
  /** Cosine between the tasks' gradients on the shared trunk; NaN where it was not measured. */
  readonly gradientCosine: number;
  /** Softmax of the gate, [N, 2] row-major, in the order of the batch's rows (micro-batches one after the other). */
  readonly gateProbabilities: Float32Array;
  /** Training images that each grading head got right, and of how many with a label. */
  readonly grades: Readonly<Record<GradedTask, GradeCount>>;
  /** Global gradient norm before clipping. */
  readonly gradNorm: number;
  /** False: something was NaN or infinite and the update was suppressed. */
  readonly finite: boolean;
  /** What the next loss will be multiplied by, and how many steps in a row were suppressed; null where losses are not scaled. */
  readonly lossScale: LossScaleState | null;
}

/** What a report's block of one micro-batch holds, in order: parts, weights, products of gradients, logits of the gate and of the grades. */
export interface ReportBlock {
  readonly parts: readonly LossPart[];
  readonly tasks: readonly WeightedTask[];
  readonly hasDots: boolean;
  readonly rows: number;
  /** The grading heads that ran, in order. */
  readonly grades: readonly GradedTask[];
}

const LOGITS = { retinopathy: 'retinopathyLogits', edema: 'edemaLogits' } as const;
const LABELS = { retinopathy: 'retinopathy', edema: 'edema' } as const;

/** The numbers of a micro-batch for the report, each a vector, and what they are. `output`: the experts' own, before any blending. */
export function reportBlock(
  output: MultitaskOutput,
  { parts: losses, weighted, terms }: Objective,
  dots: Tensor | null,
): { numbers: Tensor[]; layout: ReportBlock } {
  const parts = LOSS_PARTS.filter((part) => losses[part]);
  const grades = GRADED_TASKS.filter((task) => output[LOGITS[task]]);
  const flat = (tensor: Tensor | null) => (tensor as Tensor).detach().reshape([-1]);
  return {
    numbers: [
      ...parts.map((part) => flat(losses[part] as Tensor)),
      ...weighted.weights.map((weight) => weight.detach()),
      ...(dots ? [dots] : []),
      flat(output.gateLogits),
      ...grades.map((task) => flat(output[LOGITS[task]])),
    ],
    layout: {
      parts,
      tasks: terms.map(({ task }) => task),
      hasDots: dots !== null,
      rows: output.gateLogits.shape[0],
      grades,
    },
  };
}

/** The grade of a row of logits, decided as validation does; ordinal ones as CORN reads them (Shi et al. 2021): P(y > k) is the product of sigmoids up to k. */
export function gradeOf(logits: ArrayLike<number>, ordinal: boolean, decision: GradeDecision): number {
  if (!ordinal) {
    const largest = Math.max(...Array.from(logits));
    const powers = Array.from(logits, (logit) => Math.exp(logit - largest));
    const sum = powers.reduce((total, power) => total + power, 0);
    return decideGrade(
      decision,
      powers.map((power) => power / sum),
    );
  }
  const probabilities: number[] = [];
  let above = 1;
  for (let k = 0; k < logits.length; k++) {
    const further = above / (1 + Math.exp(-logits[k]));
    probabilities.push(above - further);
    above = further;
  }
  return decideGrade(decision, [...probabilities, above]);
}

/** What a report was made of. */
interface ReportContext {
  readonly batches: readonly Batch[];
  readonly arranged: readonly ArrangedBatch[];
  readonly ordinal: boolean;
  readonly scalesLosses: boolean;
  readonly gradeDecision: GradeDecision;
}

/** Reads what `reportBlock` put together for each micro-batch, followed by the gradient gate's numbers. */
export function readReport(
  numbers: ArrayLike<number> & { slice(start: number, end: number): ArrayLike<number> },
  blocks: readonly ReportBlock[],
  { batches, arranged, ordinal, scalesLosses, gradeDecision }: ReportContext,
): StepReport {
  const rows = blocks.reduce((sum, block) => sum + block.rows, 0);
  const gateProbabilities = new Float32Array(2 * rows);
  const grades = { retinopathy: { right: 0, of: 0 }, edema: { right: 0, of: 0 } };
  const means = new Map<string, number[]>();
  const note = (name: string, value: number): void => {
    means.set(name, [...(means.get(name) ?? []), value]);
  };
  let at = 0;
  let firstRow = 0;
  blocks.forEach((block, index) => {
    const { order, routes } = arranged[index];
    for (const part of block.parts) note(part, numbers[at++]);
    for (const task of block.tasks) note(`weight ${task}`, numbers[at++]);
    if (block.hasDots) {
      note('cosine', numbers[at] / Math.sqrt(numbers[at + 1] * numbers[at + 2]));
      at += 3;
    }
    order.forEach((row, place) => {
      const probability = 1 / (1 + Math.exp(numbers[at + 2 * place] - numbers[at + 2 * place + 1]));
      gateProbabilities.set([1 - probability, probability], 2 * (firstRow + row));
    });
    at += 2 * block.rows;
    for (const task of block.grades) {
      const width = gradeOutputs(task, ordinal);
      for (const place of routes.classification) {
        const label = batches[index][LABELS[task]][order[place]];
        const count = grades[task];
        if (label >= 0) {
          count.of++;
          if (gradeOf(numbers.slice(at, at + width), ordinal, gradeDecision) === label) count.right++;
        }
        at += width;
      }
    }
    firstRow += block.rows;
  });
  const mean = (name: string): number => {
    const values = means.get(name) ?? [];
    return values.reduce((sum, value) => sum + value, 0) / values.length;
  };
  const record = <K extends string>(keys: readonly K[], nameOf: (key: K) => string) =>
    Object.fromEntries(keys.map((key) => [key, mean(nameOf(key))])) as Record<K, number>;
  const gate = numbers.slice(at, at + 7);
  return {
    losses: record(LOSS_PARTS, (part) => part),
    weights: record(WEIGHTED_TASKS, (task) => `weight ${task}`),
    gradientCosine: mean('cosine'),
    gateProbabilities,
    grades,
    gradNorm: gate[1],
    finite: gate[2] === 0,
    lossScale: scalesLosses ? { scale: gate[4], finiteSteps: gate[5], suppressedInARow: gate[6] } : null,
  };
}
