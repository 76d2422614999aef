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
  /** Shape [N]: the task of each of those rows. */
  readonly tasks: Int32Array;
  /** Training images that each grading head got right, and of how many with a label. */
  readonly grades: Readonly<Record<GradedTask, GradeCount>>;
  /** Global gradient norm before clipping. */
  readonly gradNorm: number;
  /** False: something was NaN or infinite and the update was suppressed. */
  readonly finite: boolean;
  /** What the next loss will be multiplied by, and how many steps in a row were suppressed; null where losses are not scaled. */
  readonly lossScale: LossScaleState | null;
  /** Several ranks: one of them was asked to stop, and all stop after the step that was under way. */
  readonly stop: boolean;
}

/** What a report's block of one micro-batch holds, in order: parts, weights, logits of the gate and of the grades. */
export interface ReportBlock {
  readonly parts: readonly LossPart[];
  readonly tasks: readonly WeightedTask[];
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
): { numbers: Tensor[]; layout: ReportBlock } {
  const parts = LOSS_PARTS.filter((part) => losses[part]);
  const grades = GRADED_TASKS.filter((task) => output[LOGITS[task]]);
  const flat = (tensor: Tensor | null) => (tensor as Tensor).detach().reshape([-1]);
  return {
    numbers: [
      ...parts.map((part) => flat(losses[part] as Tensor)),
      ...weighted.weights.map((weight) => weight.detach()),
      flat(output.gateLogits),
      ...grades.map((task) => flat(output[LOGITS[task]])),
    ],
    layout: {
      parts,
      tasks: terms.map(({ task }) => task),
      rows: output.gateLogits.shape[0],
      grades,
    },
  };
}

/** The grade of a row of logits, decided as validation does; ordinal ones as CORN reads them (Shi et al. 2021): P(y > k) is the product of sigmoids up to k. */
export function gradeFromLogits(logits: ArrayLike<number>, ordinal: boolean, decision: GradeDecision): number {
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

/** What the reports of some micro-batches are made of. */
interface ReportContext {
  readonly batches: readonly Batch[];
  readonly arranged: readonly ArrangedBatch[];
  readonly ordinal: boolean;
  readonly gradeDecision: GradeDecision;
}

/** What one micro-batch tells. */
export interface MicroReport {
  readonly losses: Readonly<Partial<Record<LossPart, number>>>;
  readonly weights: Readonly<Partial<Record<WeightedTask, number>>>;
  /** Softmax of the gate, [N, 2] row-major, in the order of the batch's rows. */
  readonly gateProbabilities: Float32Array;
  /** Shape [N]: the rows' tasks. */
  readonly tasks: Int32Array;
  readonly grades: Readonly<Record<GradedTask, GradeCount>>;
}

/** A report's numbers, as they are read back. */
type Numbers = ArrayLike<number> & { slice(start: number, end: number): ArrayLike<number> };

/** Reads what `reportBlock` put together for each micro-batch. @returns the reports, and where the next number is. */
export function readMicroReports(
  numbers: Numbers,
  blocks: readonly ReportBlock[],
  { batches, arranged, ordinal, gradeDecision }: ReportContext,
): { readonly reports: MicroReport[]; readonly end: number } {
  let at = 0;
  const reports = blocks.map((block, index): MicroReport => {
    const { order, routes } = arranged[index];
    const losses = Object.fromEntries(block.parts.map((part) => [part, numbers[at++]]));
    const weights = Object.fromEntries(block.tasks.map((task) => [task, numbers[at++]]));
    const gateProbabilities = new Float32Array(2 * block.rows);
    order.forEach((row, place) => {
      const probability = 1 / (1 + Math.exp(numbers[at + 2 * place] - numbers[at + 2 * place + 1]));
      gateProbabilities.set([1 - probability, probability], 2 * row);
    });
    at += 2 * block.rows;
    const grades = { retinopathy: { right: 0, of: 0 }, edema: { right: 0, of: 0 } };
    for (const task of block.grades) {
      const width = gradeOutputs(task, ordinal);
      for (const place of routes.classification) {
        const label = batches[index][LABELS[task]][order[place]];
        const count = grades[task];
        if (label >= 0) {
          count.of++;
          if (gradeFromLogits(numbers.slice(at, at + width), ordinal, gradeDecision) === label) count.right++;
        }
        at += width;
      }
    }
    return { losses, weights, gateProbabilities, tasks: batches[index].task, grades };
  });
  return { reports, end: at };
}

/** What follows the micro-batches' numbers: of the step as a whole. */
export interface ReportTail {
  /** Whether it begins with the three products of the tasks' gradients. */
  readonly hasDots: boolean;
  readonly scalesLosses: boolean;
}

/** Means over micro-batches, with what `GradientGuard` says of the step. @param at where the tail begins. @param stop as the report's. */
export function readReport(
  micro: readonly MicroReport[],
  numbers: Numbers,
  at: number,
  { hasDots, scalesLosses }: ReportTail,
  stop: boolean,
): StepReport {
  const mean = (values: readonly (number | undefined)[]): number => {
    const defined = values.filter((value) => value !== undefined);
    return defined.reduce((sum, value) => sum + value, 0) / defined.length;
  };
  const means = <K extends string>(keys: readonly K[], of: (report: MicroReport) => Partial<Record<K, number>>) =>
    Object.fromEntries(keys.map((key) => [key, mean(micro.map((report) => of(report)[key]))])) as Record<K, number>;
  const count = (task: GradedTask): GradeCount =>
    micro.reduce(({ right, of }, { grades }) => ({ right: right + grades[task].right, of: of + grades[task].of }), {
      right: 0,
      of: 0,
    });
  const gradientCosine = hasDots ? numbers[at] / Math.sqrt(numbers[at + 1] * numbers[at + 2]) : Number.NaN;
  const gate = numbers.slice(at + (hasDots ? 3 : 0), at + (hasDots ? 10 : 7));
  return {
    losses: means(LOSS_PARTS, ({ losses }) => losses),
    weights: means(WEIGHTED_TASKS, ({ weights }) => weights),
    gradientCosine,
    gateProbabilities: Float32Array.from(micro.flatMap(({ gateProbabilities }) => Array.from(gateProbabilities))),
    tasks: Int32Array.from(micro.flatMap(({ tasks }) => Array.from(tasks))),
    grades: { retinopathy: count('retinopathy'), edema: count('edema') },
    gradNorm: gate[1],
    finite: gate[2] === 0,
    lossScale: scalesLosses ? { scale: gate[4], finiteSteps: gate[5], suppressedInARow: gate[6] } : null,
    stop,
  };
}
