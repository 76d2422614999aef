/** Backward passes that keep the tasks' gradients on the shared parameters apart, and what a weighting makes of them. */
import type { Engine } from '../../engine/autograd/engine.ts';
import type { Tensor } from '../../engine/autograd/tensor.ts';
import { slotsFor } from '../../engine/ops/optimizer/layout.ts';
import { dotsProgram, dotTotalsProgram } from '../../engine/ops/optimizer/products.ts';
import type { NamedParameter } from '../../engine/optim/index.ts';
import type { Objective } from './objective.ts';
import { addGradients, type GradientList, takeGradients } from './stepGradients.ts';
import { taskIndex, type Weighting } from './weighting/weighting.ts';

/** [g1.g2, g1.g1, g2.g2] over all parameters laid end to end; null where no parameter has both gradients. */
function gradientProducts(engine: Engine, first: GradientList, second: GradientList): Tensor | null {
  const pairs = first.flatMap((gradient, index) => {
    const other = second[index];
    return gradient && other ? [[gradient, other] as const] : [];
  });
  if (pairs.length === 0) return null;
  const count = pairs.reduce((sum, [{ size }]) => sum + slotsFor(size), 0);
  const slots = engine.empty([count, 4]);
  let at = 0;
  for (const [a, b] of pairs) {
    engine.run(dotsProgram, [a, b, slots], { first: at });
    at += slotsFor(a.size);
  }
  return engine.run(dotTotalsProgram, [slots], { count })[0];
}

/**
 * Backpropagates an objective one task after the other, and takes each task's gradients off the shared parameters: they are left with the
 * gradient of what belongs to neither task. Costs one more backward pass through the shared part.
 *
 * @param scale multiplies every loss.
 * @param seed the gradient that a loss starts from, as `GradientGuard.seed`.
 * @returns by task, in the order of `WEIGHTED_TASKS`; nulls for a task without rows.
 */
export function backwardByTask(
  { weighted, terms, rest }: Objective,
  shared: readonly NamedParameter[],
  scale: number,
  seed: (loss: Tensor) => Tensor | undefined = () => undefined,
): [GradientList, GradientList] {
  const scaled = (loss: Tensor): Tensor => (scale === 1 ? loss : loss.mul(scale));
  const backward = (loss: Tensor, retainGraph: boolean): void => loss.backward(seed(loss), { retainGraph });
  const tasks: [GradientList, GradientList] = [shared.map(() => null), shared.map(() => null)];
  weighted.losses.forEach((loss, index) => {
    backward(scaled(loss), rest !== null || index < weighted.losses.length - 1);
    tasks[taskIndex(terms[index])] = takeGradients(shared);
  });
  if (rest) backward(scaled(rest), false);
  return tasks;
}

/**
 * Gives the shared parameters their gradients back, as `weighting.adjust` changes them: those of {@link backwardByTask}, or sums of them.
 * Up to rounding the parameters then hold what one backward pass of the total would have given.
 *
 * @param losses [2]: the tasks' losses.
 * @returns [3]: g1.g2, g1.g1, g2.g2 of the weighted tasks' gradients before any adjustment; null where they share no parameter.
 */
export function joinTasks(
  engine: Engine,
  shared: readonly NamedParameter[],
  gradients: readonly [GradientList, GradientList],
  losses: Tensor,
  weighting: Weighting,
): Tensor | null {
  const dots = gradientProducts(engine, ...gradients);
  if (dots && weighting.needsTaskGradients) weighting.adjust({ losses, gradients, dots });
  for (const ofTask of gradients) addGradients(engine, shared, ofTask);
  return dots;
}
