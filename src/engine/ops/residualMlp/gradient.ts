/** The programs of its gradients that are more than a matrix product. */
import { foldGrid, type StorageFormat } from '../../gpu/kernel.ts';
import { kernel } from '../../gpu/shaderKernel.ts';
import { requireShape, sameShape } from '../../tensor/shape.ts';
import { f32, formatShape, type Shape, sizeOf } from '../../tensor/spec.ts';
import { defineProgram, type NoAttributes } from '../definition.ts';
import { type Draft, scratchOf } from '../matmul/draft.ts';
import { planParts } from '../matmul/plan.ts';
import { productKernels, productPlan } from '../matmul/program.ts';
import { MATMUL_VERSIONS } from '../matmul/versions.ts';
import { sumPair } from '../reduce/columnPairs.ts';
import { like, requireSameType, storageOf } from '../storage.ts';
import { referenceGradHidden, referenceGradProjection } from './reference.ts';
import { matrices } from './shape.ts';

const finishProjectionKernel = kernel('residualMlp/finishProjection');

/** Checks a gradient [..., C] and a tensor [..., hidden] of the same rows against the second weight [C, hidden]; gives the rows. */
function rowsOf(op: string, gradient: Shape, widened: Shape, weight: Shape): number {
  requireShape(
    weight.length === 2 &&
      sameShape(gradient.slice(0, -1), widened.slice(0, -1)) &&
      gradient.at(-1) === weight[0] &&
      widened.at(-1) === weight[1],
    op,
    `gradient ${formatShape(gradient)}, hidden ${formatShape(widened)} and weight ${formatShape(weight)} do not fit`,
  );
  return sizeOf(gradient) / weight[0];
}

/** Gamma starts at 1e-6: times a weight it would leave float16's range, so their product is stored 2^12 times as large. */
const innerGain = (storage: StorageFormat): number => (storage === 'f16' ? 4096 : 1);

/** (gradient [..., C], weight2 [C, hidden], gamma [C], s [..., hidden], what goes into gelu) → its gradient: (gradient · gamma ⊙ weight2) ⊙ gelu'(s). */
export const gradHiddenProgram = defineProgram<NoAttributes>({
  name: 'residualMlp.gradHidden',
  kernels: productKernels,
  versions: MATMUL_VERSIONS,
  infer([gradient, weight, , sums]) {
    rowsOf('residualMlp.gradHidden', gradient.shape, sums.shape, weight.shape);
    requireSameType('residualMlp.gradHidden', [gradient, weight, sums]);
    return [like(sums)];
  },
  plan([gradient, weight], _outputs, _attributes, target, version) {
    const [channels, hidden] = weight.shape;
    const storage = storageOf(gradient);
    const gain = innerGain(storage);
    return productPlan(
      {
        storage,
        result: storage,
        geometry: matrices(sizeOf(gradient.shape) / channels, channels, hidden, {}),
        a: 'in0',
        b: 'in1',
        inner: { scale: 'in2', gain },
        out: 'out0',
        epilogue: { gain: 1 / gain, side: { buffer: 'in3', how: 'geluSlope' } },
      },
      target,
      version,
    );
  },
  reference: (inputs) => [referenceGradHidden(inputs)],
  cost: ([gradient, weight]) => ({ flops: 2 * sizeOf(gradient.shape) * weight.shape[1] }),
});

/** Threads of a row of the second weight on a GPU. */
const GPU_WIDTH = 64;
/** With more loads per thread on a GPU the slices are added up by workgroups of their own first: loads wait for one another. */
const LOADS_OF_A_THREAD = 16;

/** (gradient [..., C], s [..., H], what goes into gelu, weight2 [C, H], bias2 [C], gamma [C]) → the gradients of weight2, bias2 and gamma. */
export const gradProjectionProgram = defineProgram<NoAttributes>({
  name: 'residualMlp.gradProjection',
  kernels: [...productKernels, finishProjectionKernel],
  versions: MATMUL_VERSIONS,
  infer([gradient, sums, weight, bias, gamma]) {
    rowsOf('residualMlp.gradProjection', gradient.shape, sums.shape, weight.shape);
    requireSameType('residualMlp.gradProjection', [gradient, sums, weight]);
    return [f32(weight.shape), f32(bias.shape), f32(gamma.shape)];
  },
  plan([gradient, , weight], _outputs, _attributes, target, version) {
    const [channels, hidden] = weight.shape;
    const storage = storageOf(gradient);
    const draft: Draft = { dispatches: [], scratch: [] };
    const geometry = matrices(channels, sizeOf(gradient.shape) / channels, hidden, { a: true });
    const parts = planParts({ storage, geometry, a: 'in0', b: 'in1', gelu: 'b' }, target, version, draft);
    if (!parts) return null;
    let { slices, partial, partialSums } = parts;
    if (target.deviceClass === 'gpu' && slices > 1 && Math.ceil(hidden / GPU_WIDTH) * slices > LOADS_OF_A_THREAD) {
      const weights = { from: partial, to: scratchOf(draft, channels * hidden * 4), size: channels * hidden };
      const sums = { from: partialSums, to: scratchOf(draft, channels * 4), size: channels };
      draft.dispatches.push(sumPair(slices, weights, sums, target));
      [slices, partial, partialSums] = [1, weights.to, sums.to];
    }
    draft.dispatches.push({
      kernel: finishProjectionKernel,
      storage,
      buffers: {
        partial,
        partialSums,
        weight: 'in2',
        bias: 'in3',
        gamma: 'in4',
        gradWeight: 'out0',
        gradBias: 'out1',
        gradGamma: 'out2',
      },
      uniforms: { channels, hidden, slices },
      overrides: { WIDTH: target.deviceClass === 'software' ? 8 : GPU_WIDTH },
      workgroups: foldGrid(channels),
    });
    return draft;
  },
  reference: (inputs) => referenceGradProjection(inputs),
  cost: ([gradient, , weight]) => ({ flops: 2 * sizeOf(gradient.shape) * weight.shape[1] }),
});
