/** The programs of the CORN loss: shapes, plans and cost. */
import { gridFor } from '../../gpu/kernel.ts';
import { kernel } from '../../gpu/shaderKernel.ts';
import { requireShape, sameShape } from '../../tensor/shape.ts';
import { f32, formatShape, sizeOf, type TensorSpec } from '../../tensor/spec.ts';
import { defineProgram } from '../definition.ts';
import { finishKernel, planLoss, REDUCTION_CODES, rowLossWorkgroups } from '../loss/plan.ts';
import type { CornAttributes } from './attributes.ts';
import { referenceCorn, referenceCornBackward } from './reference.ts';

const forwardKernel = kernel('corn/forward');

const backwardKernel = kernel('corn/backward');

const tasksOf = (logits: TensorSpec): number => logits.shape[logits.shape.length - 1];

/** (logits [N, K - 1], labels i32 [N] of K grades) → loss [] ([N] with reduction 'none'), factor [] for backward. */
export const cornProgram = defineProgram<CornAttributes>({
  name: 'corn',
  signature: {
    inputs: { logits: 'float32', labels: 'label' },
    attributes: { reduction: ['mean', 'sum', 'none'] },
  },
  kernels: [forwardKernel, finishKernel],
  infer([logits, labels], { reduction }) {
    requireShape(logits.shape.length > 0, 'corn', 'logits need a last axis of tasks, one less than there are grades');
    requireShape(
      sameShape(labels.shape, logits.shape.slice(0, -1)) && labels.dtype === 'i32',
      'corn',
      `labels must be i32 of shape ${formatShape(logits.shape.slice(0, -1))} for logits of ${formatShape(logits.shape)}, not ${labels.dtype} ${formatShape(labels.shape)}`,
    );
    return [f32(reduction === 'none' ? labels.shape : []), f32([])];
  },
  plan([logits, labels], _outputs, { reduction = 'mean' }, target) {
    const rows = sizeOf(labels.shape);
    const workgroups = rowLossWorkgroups(rows, target);
    return planLoss(
      {
        kernel: forwardKernel,
        buffers: { logits: 'in0', labels: 'in1' },
        uniforms: { rows, tasks: tasksOf(logits), stride: workgroups * 64, reduction: REDUCTION_CODES[reduction] },
      },
      workgroups,
      reduction,
    );
  },
  reference: (inputs, attributes) => referenceCorn(inputs, attributes),
  cost: ([logits]) => ({ flops: 6 * sizeOf(logits.shape) }),
});

/** (gradOutput, logits, labels, factor) → gradLogits. */
export const cornBackwardProgram = defineProgram<CornAttributes>({
  name: 'corn.backward',
  kernels: [backwardKernel],
  infer: ([, logits]) => [f32(logits.shape)],
  plan([, logits, labels], _outputs, { reduction }) {
    const rows = sizeOf(labels.shape);
    return {
      dispatches: [
        {
          kernel: backwardKernel,
          buffers: { gradOutput: 'in0', logits: 'in1', labels: 'in2', factor: 'in3', gradLogits: 'out0' },
          uniforms: { rows, tasks: tasksOf(logits), perRow: reduction === 'none' ? 1 : 0 },
          workgroups: gridFor(rows, 64),
        },
      ],
    };
  },
  reference: (inputs, attributes) => [referenceCornBackward(inputs, attributes)],
  cost: ([, logits]) => ({ flops: 6 * sizeOf(logits.shape) }),
});
