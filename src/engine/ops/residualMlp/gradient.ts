/** The program of its gradients but for the first layer's, which are matrix products. */
import { foldGrid, type StorageFormat } from '../../gpu/kernel.ts';
import { kernel } from '../../gpu/shaderKernel.ts';
import { requireShape, sameShape } from '../../tensor/shape.ts';
import { byteLength, f32, formatShape, sizeOf } from '../../tensor/spec.ts';
import { defineProgram, type NoAttributes } from '../definition.ts';
import { type Draft, scratchOf } from '../matmul/draft.ts';
import { bringsGelu, planParts, planProduct, type Product } from '../matmul/plan.ts';
import { productKernels } from '../matmul/program.ts';
import { MATMUL_VERSIONS } from '../matmul/versions.ts';
import { sumPair } from '../reduce/columnPairs.ts';
import { like, requireSameType, storageOf } from '../storage.ts';
import { referenceMlpBackward } from './reference.ts';
import { matrices } from './shape.ts';

const finishProjectionKernel = kernel('residualMlp/finishProjection');

/** Gamma starts at 1e-6: times a weight it would leave float16's range, so their product is stored 2^12 times as large. */
const innerGain = (storage: StorageFormat): number => (storage === 'f16' ? 4096 : 1);

/** Threads of a row of the second weight on a GPU. */
const GPU_WIDTH = 64;
/** With more loads per thread on a GPU the slices are added up by workgroups of their own first: loads wait for one another. */
const LOADS_OF_A_THREAD = 16;

/**
 * (gradient [..., C], s [..., H], what goes into gelu, weight2 [C, H], bias2 [C], gamma [C]) → the gradients of s, that is
 * (gradient · gamma ⊙ weight2) ⊙ gelu'(s), and of weight2, bias2 and gamma.
 */
export const residualMlpBackwardProgram = defineProgram<NoAttributes>({
  name: 'residualMlp.backward',
  kernels: [...productKernels, finishProjectionKernel],
  versions: MATMUL_VERSIONS,
  infer([gradient, sums, weight, bias, gamma]) {
    requireShape(
      weight.shape.length === 2 &&
        sameShape(gradient.shape.slice(0, -1), sums.shape.slice(0, -1)) &&
        gradient.shape.at(-1) === weight.shape[0] &&
        sums.shape.at(-1) === weight.shape[1],
      'residualMlp.backward',
      `gradient ${formatShape(gradient.shape)}, hidden ${formatShape(sums.shape)} and weight ${formatShape(weight.shape)} do not fit`,
    );
    requireSameType('residualMlp.backward', [gradient, sums, weight]);
    return [like(sums), f32(weight.shape), f32(bias.shape), f32(gamma.shape)];
  },
  plan([gradient, sums, weight], _outputs, _attributes, target, version) {
    const [channels, hidden] = weight.shape;
    const rows = sizeOf(gradient.shape) / channels;
    const storage = storageOf(gradient);
    const gain = innerGain(storage);
    const draft: Draft = { dispatches: [], scratch: [] };
    const projection: Omit<Product, 'out'> = {
      storage,
      geometry: matrices(channels, rows, hidden, { a: true }),
      a: 'in0',
      b: 'in1',
      gelu: 'b',
    };
    // Where the second product cannot apply gelu itself, the first, which reads s for the slope, leaves gelu(s) for it.
    const activated = bringsGelu(projection, target, version) ? undefined : scratchOf(draft, byteLength(sums));
    const planned = planProduct(
      {
        storage,
        result: storage,
        geometry: matrices(rows, channels, hidden, {}),
        a: 'in0',
        b: 'in2',
        inner: { scale: 'in4', gain },
        out: 'out0',
        epilogue: { gain: 1 / gain, side: { buffer: 'in1', how: 'geluSlope' }, kept: activated },
      },
      target,
      version,
      draft,
    );
    const operands = activated ? { ...projection, b: activated, gelu: undefined } : projection;
    const parts = planned ? planParts(operands, target, version, draft) : null;
    if (!parts) return null;
    let { slices, partial, partialSums } = parts;
    if (target.deviceClass === 'gpu' && slices > 1 && Math.ceil(hidden / GPU_WIDTH) * slices > LOADS_OF_A_THREAD) {
      const weights = { from: partial, to: scratchOf(draft, channels * hidden * 4), size: channels * hidden };
      const biases = { from: partialSums, to: scratchOf(draft, channels * 4), size: channels };
      draft.dispatches.push(sumPair(slices, weights, biases, target));
      [slices, partial, partialSums] = [1, weights.to, biases.to];
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
        gradWeight: 'out1',
        gradBias: 'out2',
        gradGamma: 'out3',
      },
      uniforms: { channels, hidden, slices },
      overrides: { WIDTH: target.deviceClass === 'software' ? 8 : GPU_WIDTH },
      workgroups: foldGrid(channels),
    });
    return draft;
  },
  reference: (inputs) => referenceMlpBackward(inputs),
  // Both products read the gradient, s and weight2.
  cost: (inputs, outputs) => ({
    flops: 4 * sizeOf(inputs[0].shape) * inputs[2].shape[1],
    bytes: [...inputs, ...outputs, ...inputs.slice(0, 3)].reduce((sum, spec) => sum + byteLength(spec), 0),
  }),
});
