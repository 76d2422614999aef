/** The programs of cross entropy: shapes, plans and cost. */
import { foldGrid, type PlanTarget } from '../../gpu/kernel.ts';
import { kernel } from '../../gpu/shaderKernel.ts';
import { requireShape, sameShape } from '../../tensor/shape.ts';
import { f32, formatShape, sizeOf, type TensorSpec } from '../../tensor/spec.ts';
import { defineProgram } from '../definition.ts';
import { walkOver } from '../elementwise.ts';
import { dealRows } from '../lanes.ts';
import { finishKernel, optional, planLoss, REDUCTION_CODES, rowLossWorkgroups } from '../loss/plan.ts';
import { shortRow } from '../rows.ts';
import type { CrossEntropyAttributes } from './attributes.ts';
import { referenceCrossEntropy, referenceCrossEntropyBackward } from './reference.ts';

const forwardKernel = kernel('crossEntropy/forward');
const forwardLanesKernel = kernel('crossEntropy/forwardLanes');
const backwardKernel = kernel('crossEntropy/backward');
const backwardLanesKernel = kernel('crossEntropy/backwardLanes');

/** 'rows': one thread per row; 'lanes': one subgroup per row, for many classes. */
const VERSIONS = ['rows', 'lanes'] as const;

/** From this many classes on a subgroup has enough to do with one row. */
const MANY_CLASSES = 64;

/** Whether to use the 'lanes' version; null where `version` asks for it and it cannot run. */
function usesLanes(columns: number, target: PlanTarget, version: string | undefined): boolean | null {
  const possible = columns % 4 === 0 && target.subgroupSize > 0 && target.features.has('subgroups');
  if (version === 'rows') return false;
  if (version === 'lanes') return possible || null;
  return possible && columns >= MANY_CLASSES && target.subgroupSize >= 8;
}

const columnsOf = (logits: TensorSpec): number => logits.shape[logits.shape.length - 1];

/** Workgroups of the 'lanes' version on a software adapter. */
const SOFTWARE_WORKGROUPS = 32;

/** What the passes of the 'lanes' version are dispatched with. */
function lanesOver(rows: number, columns: number, target: PlanTarget) {
  const { stride, ...dealt } = dealRows(rows, target, SOFTWARE_WORKGROUPS);
  return { uniforms: { rows, columns: columns / 4, stride }, overrides: {}, ...dealt };
}

/** What the forward pass of the 'rows' version is dispatched with: 64 threads per workgroup, whose sums meet in it. */
function rowsOver(rows: number, columns: number, target: PlanTarget) {
  const workgroups = rowLossWorkgroups(rows, target);
  return { uniforms: { rows, columns, stride: 64 * workgroups }, overrides: {}, workgroups };
}

/** What the backward pass of the 'rows' version is dispatched with. */
function rowsBackwardOver(rows: number, columns: number, target: PlanTarget) {
  const short = shortRow(columns);
  const { workgroups, share, overrides } = walkOver(rows, target, short.SHORT > 0 ? undefined : 1);
  return { uniforms: { rows, columns, share }, overrides: { ...overrides, ...short }, workgroups };
}

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

/**
 * (logits [..., C], labels i32 [...], classWeights? [C]) → loss [] ([...] with reduction 'none'); for backward factor [] and stats
 * [..., 2], each row's largest logit and the log of the sum of exponentials below it.
 */
export const crossEntropyProgram = defineProgram<CrossEntropyAttributes>({
  name: 'crossEntropy',
  signature: {
    inputs: { logits: 'float32', labels: 'label', 'classWeights?': 'float32' },
    attributes: { labelSmoothing: 'number?', ignoreIndex: 'integer?', reduction: ['mean', 'sum', 'none'] },
  },
  kernels: [forwardKernel, forwardLanesKernel, finishKernel],
  versions: VERSIONS,
  infer([logits, labels, classWeights], { labelSmoothing = 0, reduction }) {
    check(logits, labels, classWeights, labelSmoothing);
    return [f32(reduction === 'none' ? labels.shape : []), f32([]), f32([...labels.shape, 2])];
  },
  plan(inputs, _outputs, { labelSmoothing = 0, ignoreIndex = -1, reduction = 'mean' }, target, version) {
    const [logits, labels, classWeights] = inputs;
    const rows = sizeOf(labels.shape);
    const columns = columnsOf(logits);
    const lanes = usesLanes(columns, target, version);
    if (lanes === null) return null;
    const weighted = classWeights !== undefined;
    const over = lanes ? lanesOver(rows, columns, target) : rowsOver(rows, columns, target);
    const { uniforms, overrides, workgroups, ...settings } = over;
    return planLoss(
      {
        kernel: lanes ? forwardLanesKernel : forwardKernel,
        buffers: { logits: 'in0', labels: 'in1', classWeights: optional(weighted, 'in2', 'in0'), stats: 'out2' },
        uniforms: {
          ...uniforms,
          ignored: ignoreIndex,
          smoothing: labelSmoothing,
          reduction: REDUCTION_CODES[reduction],
        },
        overrides: { ...overrides, HAS_CLASS_WEIGHTS: weighted ? 1 : 0 },
        ...settings,
      },
      workgroups,
      reduction,
    );
  },
  reference: (inputs, attributes) => referenceCrossEntropy(inputs, attributes),
  cost: ([logits]) => ({ flops: 6 * sizeOf(logits.shape) }),
});

/** (gradOutput, logits, labels, factor, stats, classWeights?) → gradLogits. */
export const crossEntropyBackwardProgram = defineProgram<CrossEntropyAttributes>({
  name: 'crossEntropy.backward',
  kernels: [backwardKernel, backwardLanesKernel],
  versions: VERSIONS,
  infer: ([, logits]) => [f32(logits.shape)],
  plan(inputs, _outputs, { labelSmoothing = 0, ignoreIndex = -1, reduction = 'mean' }, target, version) {
    const [, logits, labels, , , classWeights] = inputs;
    const rows = sizeOf(labels.shape);
    const columns = columnsOf(logits);
    const lanes = usesLanes(columns, target, version);
    if (lanes === null) return null;
    const weighted = classWeights !== undefined;
    const over = lanes ? lanesOver(rows, columns, target) : rowsBackwardOver(rows, columns, target);
    const { uniforms, overrides, workgroups, ...settings } = over;
    return {
      dispatches: [
        {
          kernel: lanes ? backwardLanesKernel : backwardKernel,
          buffers: {
            gradOutput: 'in0',
            logits: 'in1',
            labels: 'in2',
            classWeights: optional(weighted, 'in5', 'in1'),
            factor: 'in3',
            stats: 'in4',
            gradLogits: 'out0',
          },
          uniforms: {
            ...uniforms,
            ignored: ignoreIndex,
            smoothing: labelSmoothing,
            perRow: reduction === 'none' ? 1 : 0,
          },
          overrides: { ...overrides, HAS_CLASS_WEIGHTS: weighted ? 1 : 0 },
          ...settings,
          workgroups: typeof workgroups === 'number' ? foldGrid(workgroups) : workgroups,
        },
      ],
    };
  },
  reference: (inputs, attributes) => [referenceCrossEntropyBackward(inputs, attributes)],
  cost: ([, logits]) => ({ flops: 6 * sizeOf(logits.shape) }),
});
