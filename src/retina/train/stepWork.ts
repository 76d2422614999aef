/** The device's work of a training step, in two halves: what micro-batches teach, and the update that is made of it. */
import type { Engine } from '../../engine/autograd/engine.ts';
import type { Tensor } from '../../engine/autograd/tensor.ts';
import * as F from '../../engine/nn/functional.ts';
import { BatchNorm2d, type BatchStatistics } from '../../engine/nn/normalization.ts';
import { fillProgram } from '../../engine/ops/movement/convert.ts';
import type { EMA } from '../../engine/optim/ema.ts';
import type { GradientGuard } from '../../engine/optim/gradientGuard.ts';
import type { NamedParameter, Optimizer } from '../../engine/optim/index.ts';
import type { MultitaskNet, MultitaskOutput } from '../network/network.ts';
import { blendExperts, gumbelChoice, type Routing } from '../network/routing.ts';
import { type Objective, objective, type ObjectiveConstants, type ObjectiveOptions } from './objective.ts';
import { addGradients, GradientTree, type StepGradients, takeGradients } from './stepGradients.ts';
import type { StepInputs } from './stepInputs.ts';
import { type ReportBlock, reportBlock } from './stepReport.ts';
import { backwardByTask, joinTasks } from './taskGradients.ts';
import { WEIGHTED_TASKS, type Weighting } from './weighting/weighting.ts';

export interface StepWorkOptions {
  readonly engine: Engine;
  readonly model: MultitaskNet;
  readonly optimizer: Optimizer;
  readonly guard: GradientGuard;
  readonly ema: EMA | null;
  readonly objective: ObjectiveOptions;
  readonly constants: ObjectiveConstants;
  readonly weighting: Weighting;
  /** hard needs a wait for the gate in each step. */
  readonly routing: Routing;
}

/** What some micro-batches taught. */
export interface Taught {
  readonly gradients: StepGradients;
  /** By micro-batch; empty where a step is one batch, whose statistics have entered the running ones already. */
  readonly statistics: readonly (readonly BatchStatistics[])[];
  readonly numbers: readonly Tensor[];
  readonly blocks: readonly ReportBlock[];
}

/** The numbers that the update adds to the report. */
interface Tail {
  readonly numbers: readonly Tensor[];
  readonly hasDots: boolean;
}

/** Forward, losses, backward; and sums of gradients, clipping, update, moving averages. Runs inside a capture and a scope. */
export class StepWork {
  /** The network's batch norm layers, in its order. */
  readonly normLayers: readonly BatchNorm2d[];
  /** What is trained: the network's parameters and the weighting's. */
  readonly params: readonly { readonly tensor: Tensor }[];
  readonly #options: StepWorkOptions;
  readonly #shared: readonly NamedParameter[];

  constructor(options: StepWorkOptions) {
    this.#options = options;
    const { model, weighting } = options;
    this.normLayers = [...model.modules()].filter((module) => module instanceof BatchNorm2d);
    this.params = [...model.parameters(), ...weighting.parameters()].map((tensor) => ({ tensor }));
    this.#shared = [...model.namedParameters()].flatMap(([name, tensor]) =>
      name.startsWith(model.trunkPrefix) ? [{ name, tensor }] : [],
    );
  }

  /** Shapes of all gradients, as `flatten` orders them. */
  gradientShapes({ tasks }: StepGradients): (readonly number[])[] {
    const shapes = (params: readonly { readonly tensor: Tensor }[]) => params.map(({ tensor }) => tensor.shape);
    const shared = shapes(this.#shared);
    return [...shapes(this.params), ...(tasks ? [...shared, ...shared, [WEIGHTED_TASKS.length]] : []), []];
  }

  /**
   * Forward and backward of micro-batches `first` … of a step that has `total` of them: their gradients' part of the mean over all.
   *
   * @param measured keep the tasks' gradients on the shared parameters apart.
   */
  teach(inputs: readonly StepInputs[], measured: boolean, first: number, total: number): Taught {
    const { engine, model } = this.#options;
    const tree = new GradientTree(engine);
    const statistics: BatchStatistics[][] = [];
    const made = inputs.map((each, index) => {
      model.random.usePart(first + index);
      // The statistics of one batch enter where they arise; of several, in the order of the whole step's micro-batches.
      const deferred: BatchStatistics[] | null = total > 1 ? [] : null;
      for (const layer of this.normLayers) layer.deferred = deferred;
      try {
        const { gradients, ...rest } = this.#teachOne(each, measured, total);
        tree.add(gradients);
        return rest;
      } finally {
        for (const layer of this.normLayers) layer.deferred = null;
        if (deferred) statistics.push(deferred);
      }
    });
    model.random.usePart(0);
    return {
      gradients: tree.take(),
      statistics,
      numbers: made.flatMap(({ numbers }) => numbers),
      blocks: made.map(({ layout }) => layout),
    };
  }

  #teachOne(
    inputs: StepInputs,
    measured: boolean,
    total: number,
  ): { gradients: StepGradients; numbers: Tensor[]; layout: ReportBlock } {
    const { engine, constants, weighting, routing, guard } = this.#options;
    const scale = 1 / total;
    return engine.scope(() => {
      const { own, blended } = this.#forward(inputs);
      const made = objective(
        blended,
        inputs.targets,
        inputs.routes,
        this.#options.objective,
        constants,
        weighting,
        routing !== 'none',
      );
      // A batch of one task is taught in one pass; among micro-batches another may have the other task.
      const apart = measured && (total > 1 || made.terms.length === 2);
      const tasks = apart ? backwardByTask(made, this.#shared, scale, (loss) => guard.seed(loss)) : null;
      if (!apart) {
        const root = scale === 1 ? made.total : made.total.mul(scale);
        root.backward(guard.seed(root));
      }
      const losses = apart ? engine.noGrad(() => this.#losses(made, scale)) : null;
      // Sums are made in place, and the report still reads this batch's own total.
      const minimized = total === 1 ? made.total.detach() : engine.noGrad(() => made.total.mul(scale));
      const gradients = { all: takeGradients(this.params), tasks, losses, total: minimized };
      return { gradients, ...reportBlock(own, made) };
    });
  }

  /** Shape [2]: each task's loss times `scale`, 0 for a task without rows. */
  #losses({ terms }: Objective, scale: number): Tensor {
    const { engine } = this.#options;
    const parts = WEIGHTED_TASKS.map((task) => {
      const loss = terms
        .find((term) => term.task === task)
        ?.loss.detach()
        .reshape([1]);
      if (!loss) return engine.run(fillProgram, [], { shape: [1], value: 0 })[0];
      return scale === 1 ? loss : loss.mul(scale);
    });
    return F.concat(parts, 0);
  }

  /** What the experts say themselves, and as the gate's weights blend it. */
  #forward({ image, routes, gumbel }: StepInputs): { own: MultitaskOutput; blended: MultitaskOutput } {
    const { model, routing } = this.#options;
    const own = model.forward(image, routes);
    const { gateLogits } = own;
    if (routing !== 'soft' && routing !== 'gumbel') return { own, blended: own };
    const weights = gumbel ? gumbelChoice(gateLogits, gumbel.noise, gumbel.inverseTau) : F.softmax(gateLogits);
    return { own, blended: { gateLogits, ...blendExperts(own, weights, routes, model.maskPriorLogit) } };
  }

  /** Updates the network by the gradients of the whole step, and takes everything over. */
  update(gradients: StepGradients, statistics: readonly (readonly BatchStatistics[])[]): Tail {
    const { engine, optimizer, guard, ema, weighting } = this.#options;
    const byLayer = new Map<BatchNorm2d, BatchStatistics[]>();
    for (const each of statistics.flat()) byLayer.set(each.layer, [...(byLayer.get(each.layer) ?? []), each]);
    for (const [layer, batches] of byLayer) layer.absorb(batches);
    for (const { mean, variance } of statistics.flat()) {
      mean.dispose();
      variance.dispose();
    }
    addGradients(engine, this.params, gradients.all);
    const { tasks, losses } = gradients;
    const dots = tasks && losses && joinTasks(engine, this.#shared, tasks, losses, weighting);
    guard.measure(gradients.total);
    optimizer.update(guard);
    ema?.update();
    optimizer.zeroGrad();
    const numbers = [...(dots ? [dots] : []), guard.tensor, ...(guard.scalesLosses ? [guard.lossScale] : [])];
    return { numbers, hasDots: dots !== null };
  }
}
