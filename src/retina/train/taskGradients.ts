/** Backward passes that keep the tasks' gradients on the shared parameters apart. */
import type { Engine } from '../../engine/autograd/engine.ts';
import type { Tensor } from '../../engine/autograd/tensor.ts';
import { accumulateProgram } from '../../engine/ops/accumulate/program.ts';
import { slotsFor } from '../../engine/ops/optimizer/layout.ts';
import { dotsProgram, dotTotalsProgram } from '../../engine/ops/optimizer/products.ts';
import type { NamedParameter } from '../../engine/optim/index.ts';
import type { Objective } from './objective.ts';
import type { Weighting } from './weighting/weighting.ts';

/** The gradients that parameters hold now; the parameters are left without. */
function takeGradients(params: readonly NamedParameter[]): (Tensor | null)[] {
  return params.map(({ tensor }) => {
    const { grad } = tensor;
    tensor.grad = null;
    return grad;
  });
}

/** Adds gradients to what the parameters hold, and takes them over. */
function addGradients(engine: Engine, params: readonly NamedParameter[], gradients: readonly (Tensor | null)[]): void {
  gradients.forEach((gradient, index) => {
    const { tensor } = params[index];
    if (!gradient) return;
    if (!tensor.grad) {
      tensor.grad = gradient;
      return;
    }
    engine.run(accumulateProgram, [tensor.grad, gradient], {});
    gradient.dispose();
  });
}

/** [g1.g2, g1.g1, g2.g2] over all parameters laid end to end; zeros where no parameter has both gradients. */
function gradientProducts(
  engine: Engine,
  first: readonly (Tensor | null)[],
  second: readonly (Tensor | null)[],
): Tensor | null {
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
 * Backpropagates an objective of two tasks one task after the other. The shared parameters' `grad` end as after one backward pass of the
 * total, up to rounding, and as `weighting.adjust` changes it. Costs one more backward pass through the shared part.
 *
 * @param scale multiplies every loss.
 * @param seed the gradient that a loss starts from, as `GradientGuard.seed`: the products are then those of the scaled gradients.
 * @returns [3]: g1.g2, g1.g1, g2.g2 of the weighted tasks' gradients before any adjustment; null where they share no parameter.
 */
export function backwardByTask(
  engine: Engine,
  { weighted, terms, rest }: Objective,
  shared: readonly NamedParameter[],
  weighting: Weighting,
  scale: number,
  seed: (loss: Tensor) => Tensor | undefined = () => undefined,
): Tensor | null {
  const scaled = (loss: Tensor): Tensor => (scale === 1 ? loss : loss.mul(scale));
  const backward = (loss: Tensor, retainGraph: boolean): void => loss.backward(seed(loss), { retainGraph });
  const earlier = takeGradients(shared);
  const [first, second] = weighted.losses.map((loss, index) => {
    const last = index === weighted.losses.length - 1 && !rest;
    backward(scaled(loss), !last);
    return takeGradients(shared);
  });
  if (rest) backward(scaled(rest), false);
  const dots = gradientProducts(engine, first, second);
  if (dots && weighting.needsTaskGradients) weighting.adjust({ terms, weighted, gradients: [first, second], dots });
  for (const gradients of [first, second, earlier]) addGradients(engine, shared, gradients);
  return dots;
}
