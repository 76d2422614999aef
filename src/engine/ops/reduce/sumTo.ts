/** The gradient of broadcasting. */
import { broadcastStrides, sameShape } from '../../tensor/shape.ts';
import type { Shape } from '../../tensor/spec.ts';
import type { BackwardContext } from '../definition.ts';
import type { Value } from '../value.ts';
import { sumProgram } from './program.ts';

/** The gradient of broadcasting: sums `gradient` over the axes along which `shape` was stretched. */
export function sumTo(context: Pick<BackwardContext<object>, 'run' | 'reshape'>, gradient: Value, shape: Shape): Value {
  const { shape: from, dtype } = gradient.spec;
  if (sameShape(from, shape)) return gradient;
  const strides = broadcastStrides(shape, from);
  const axes = from.flatMap((extent, axis) => (extent > 1 && strides[axis] === 0 ? [axis] : []));
  const summed = axes.length > 0 ? context.run(sumProgram, [gradient], { axes, keepDims: true, dtype })[0] : gradient;
  return context.reshape(summed, shape);
}
