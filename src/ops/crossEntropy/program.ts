import { gridFor } from '../../gpu/kernel.ts';
import { requireShape, sameShape } from '../../tensor/shape.ts';
import { f32, formatShape, sizeOf, type TensorSpec } from '../../tensor/spec.ts';
import { defineKernel, defineProgram } from '../definition.ts';
import {
  finishKernel,
  LOSS_OUTPUTS,
  optional,
  planLoss,
  REDUCTION_CODES,
  type Reduction,
  rowLossWorkgroups,
} from '../loss/plan.ts';
import { referenceCrossEntropy, referenceCrossEntropyBackward } from './reference.ts';

export interface CrossEntropyAttributes {
  /** Share of the target that is spread evenly over all classes, in [0, 1]. Default 0. */
  readonly labelSmoothing?: number;
  /** Rows with this label count nothing; nor do rows with any negative label. Default -1 (PyTorch: -100). */
  readonly ignoreIndex?: number;
  /** Default 'mean': weighted by the class weight of each row's label, as in PyTorch. */
  readonly reduction?: Reduction;
}

const forwardKernel = defineKernel({
  name: 'crossEntropy/forward',
  bindings: [
    { name: 'logits', access: 'read', type: 'f32' },
    { name: 'labels', access: 'read', type: 'i32' },
    { name: 'classWeights', access: 'read', type: 'f32' },
    ...LOSS_OUTPUTS,
  ],
  uniforms: { rows: 'u32', columns: 'u32', stride: 'u32', ignored: 'i32', smoothing: 'f32', reduction: 'u32' },
  overrides: ['HAS_CLASS_WEIGHTS'],
});

const backwardKernel = defineKernel({
  name: 'crossEntropy/backward',
  bindings: [
    { name: 'gradOutput', access: 'read', type: 'f32' },
    { name: 'logits', access: 'read', type: 'f32' },
    { name: 'labels', access: 'read', type: 'i32' },
    { name: 'classWeights', access: 'read', type: 'f32' },
    { name: 'factor', access: 'read', type: 'f32' },
    { name: 'gradLogits', access: 'read_write', type: 'f32' },
  ],
  uniforms: { rows: 'u32', columns: 'u32', ignored: 'i32', smoothing: 'f32', perRow: 'u32' },
  overrides: ['HAS_CLASS_WEIGHTS'],
});

const columnsOf = (logits: TensorSpec): number => logits.shape[logits.shape.length - 1];

function check(logits: TensorSpec, labels: TensorSpec, classWeights: TensorSpec | undefined, smoothing: number): void {
  const op = 'crossEntropy';
  requireShape(logits.shape.length > 0, op, 'logits need a last axis of classes');
  requireShape(
    sameShape(labels.shape, logits.shape.slice(0, -1)) && labels.dtype === 'i32',
    op,
    `labels must be i32 of shape ${formatShape(logits.shape.slice(0, -1))} for logits of ${formatShape(logits.shape)}, not ${labels.dtype} ${formatShape(labels.shape)}`,
  );
  requireShape(
    classWeights === undefined || sameShape(classWeights.shape, [columnsOf(logits)]),
    op,
    `class weights of ${formatShape(classWeights?.shape ?? [])} for ${columnsOf(logits)} classes`,
  );
  requireShape(smoothing >= 0 && smoothing <= 1, op, `a label smoothing of ${smoothing} is outside [0, 1]`);
}

/** (logits [..., C], labels i32 [...], classWeights? [C]) → loss [] ([...] with reduction 'none'), factor [] for backward. */
export const crossEntropyProgram = defineProgram<CrossEntropyAttributes>({
  name: 'crossEntropy',
  kernels: [forwardKernel, finishKernel],
  infer([logits, labels, classWeights], { labelSmoothing = 0, reduction }) {
    check(logits, labels, classWeights, labelSmoothing);
    return [f32(reduction === 'none' ? labels.shape : []), f32([])];
  },
  plan([logits, labels, classWeights], _outputs, { labelSmoothing = 0, ignoreIndex = -1, reduction = 'mean' }, target) {
    const rows = sizeOf(labels.shape);
    const workgroups = rowLossWorkgroups(rows, target);
    const weighted = classWeights !== undefined;
    return planLoss(
      {
        kernel: forwardKernel,
        buffers: { logits: 'in0', labels: 'in1', classWeights: optional(weighted, 'in2', 'in0') },
        uniforms: {
          rows,
          columns: columnsOf(logits),
          stride: workgroups * 64,
          ignored: ignoreIndex,
          smoothing: labelSmoothing,
          reduction: REDUCTION_CODES[reduction],
        },
        overrides: { HAS_CLASS_WEIGHTS: weighted ? 1 : 0 },
      },
      workgroups,
      reduction,
    );
  },
  reference: (inputs, attributes) => referenceCrossEntropy(inputs, attributes),
  cost: ([logits]) => ({ flops: 5 * sizeOf(logits.shape) }),
});

/** (gradOutput, logits, labels, factor, classWeights?) → gradLogits. */
export const crossEntropyBackwardProgram = defineProgram<CrossEntropyAttributes>({
  name: 'crossEntropy.backward',
  kernels: [backwardKernel],
  infer: ([, logits]) => [f32(logits.shape)],
  plan([, logits, labels, , classWeights], _outputs, { labelSmoothing = 0, ignoreIndex = -1, reduction = 'mean' }) {
    const rows = sizeOf(labels.shape);
    const weighted = classWeights !== undefined;
    return {
      dispatches: [
        {
          kernel: backwardKernel,
          buffers: {
            gradOutput: 'in0',
            logits: 'in1',
            labels: 'in2',
            classWeights: optional(weighted, 'in4', 'in1'),
            factor: 'in3',
            gradLogits: 'out0',
          },
          uniforms: {
            rows,
            columns: columnsOf(logits),
            ignored: ignoreIndex,
            smoothing: labelSmoothing,
            perRow: reduction === 'none' ? 1 : 0,
          },
          overrides: { HAS_CLASS_WEIGHTS: weighted ? 1 : 0 },
          workgroups: gridFor(rows, 64),
        },
      ],
    };
  },
  reference: (inputs, attributes) => [referenceCrossEntropyBackward(inputs, attributes)],
  cost: ([, logits]) => ({ flops: 8 * sizeOf(logits.shape) }),
});
