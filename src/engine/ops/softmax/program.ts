/** The programs of softmax and its logarithm: shapes, plans and cost. */
import type { Plan, PlanTarget } from '../../gpu/kernel.ts';
import { kernel } from '../../gpu/shaderKernel.ts';
import { requireShape } from '../../tensor/shape.ts';
import { f32, type Shape, sizeOf } from '../../tensor/spec.ts';
import { type Callable, defineProgram, type NoAttributes, type Program } from '../definition.ts';
import { walkOver } from '../elementwise.ts';
import { shortRow } from '../rows.ts';
import type { SoftmaxName } from './attributes.ts';
import { referenceSoftmax, referenceSoftmaxBackward } from './reference.ts';

const forwardKernel = kernel('softmax/forward');

const backwardKernel = kernel('softmax/backward');

function rowPlan(
  kernel: typeof forwardKernel,
  name: SoftmaxName,
  shape: Shape,
  buffers: Plan['dispatches'][number]['buffers'],
  target: PlanTarget,
): Plan {
  const columns = shape[shape.length - 1];
  const rows = sizeOf(shape) / columns;
  // A long row is work enough for a turn.
  const short = shortRow(columns);
  const { workgroups, share, overrides } = walkOver(rows, target, short.SHORT > 0 ? undefined : 1);
  return {
    dispatches: [
      {
        kernel,
        buffers,
        uniforms: { rows, columns, share },
        overrides: { ...overrides, ...short, LOG: name === 'logSoftmax' ? 1 : 0 },
        workgroups,
      },
    ],
  };
}

/** softmax or log softmax over the last axis. */
export function softmaxProgram(name: SoftmaxName): Callable<NoAttributes> {
  return defineProgram<NoAttributes>({
    name,
    signature: { inputs: { x: 'float32' }, attributes: {} },
    kernels: [forwardKernel],
    infer([x]) {
      requireShape(x.shape.length > 0, name, 'a scalar has no last axis to normalize over');
      return [f32(x.shape)];
    },
    plan: ([x], _outputs, _attributes, target) =>
      rowPlan(forwardKernel, name, x.shape, { x: 'in0', out: 'out0' }, target),
    reference: ([x]) => [referenceSoftmax(name, x)],
    cost: ([x]) => ({ flops: 5 * sizeOf(x.shape) }),
  });
}

/** (gradOutput, y) → gradX, from the forward's output. */
export function softmaxBackwardProgram(name: SoftmaxName): Program<NoAttributes> {
  return defineProgram<NoAttributes>({
    name: `${name}.backward`,
    kernels: [backwardKernel],
    infer: ([, y]) => [f32(y.shape)],
    plan: ([, y], _outputs, _attributes, target) =>
      rowPlan(backwardKernel, name, y.shape, { gradOutput: 'in0', y: 'in1', gradX: 'out0' }, target),
    reference: ([gradOutput, y]) => [referenceSoftmaxBackward(name, gradOutput, y)],
    cost: ([, y]) => ({ flops: 4 * sizeOf(y.shape) }),
  });
}
