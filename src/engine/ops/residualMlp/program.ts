/** The programs of the second half of a ConvNeXt block: shapes, plans and cost. */
import type { BufferReference } from '../../gpu/kernel.ts';
import { sizeOf } from '../../tensor/spec.ts';
import { defineProgram, type NoAttributes } from '../definition.ts';
import { type Draft, scratchOf } from '../matmul/draft.ts';
import { bringsGelu, planProduct, type Product } from '../matmul/plan.ts';
import { productKernels } from '../matmul/program.ts';
import { MATMUL_VERSIONS } from '../matmul/versions.ts';
import { like, storageOf } from '../storage.ts';
import { referenceMlp } from './reference.ts';
import { matrices, mlpShape } from './shape.ts';

/** The forward pass, with or without what backward reads. */
function program(name: string, keeps: boolean) {
  return defineProgram<NoAttributes>({
    name,
    signature: {
      inputs: {
        residual: 'activation',
        x: 'activation',
        weight1: 'activation',
        bias1: 'float32',
        weight2: 'activation',
        bias2: 'float32',
        gamma: 'float32',
        'factor?': 'float32',
      },
      attributes: {},
    },
    kernels: productKernels,
    versions: MATMUL_VERSIONS,
    infer(inputs) {
      const { hidden } = mlpShape(inputs);
      const [, x] = inputs;
      const widened = like(x, [...x.shape.slice(0, -1), hidden]);
      return keeps ? [like(x), widened] : [like(x)];
    },
    plan(inputs, _outputs, _attributes, target, version) {
      const { rows, channels, hidden, rowsPerSample } = mlpShape(inputs);
      const storage = storageOf(inputs[1]);
      const draft: Draft = { dispatches: [], scratch: [] };
      const widened = (): BufferReference => scratchOf(draft, rows * hidden * (storage === 'f16' ? 2 : 4));
      const kept: BufferReference | undefined = keeps ? 'out1' : undefined;
      const first: Omit<Product, 'out'> = {
        storage,
        result: storage,
        geometry: matrices(rows, channels, hidden, { b: true }),
        a: 'in1',
        b: 'in2',
      };
      const second: Omit<Product, 'a'> = {
        storage,
        result: storage,
        geometry: matrices(rows, hidden, channels, { b: true }),
        b: 'in4',
        out: 'out0',
        epilogue: {
          bias: 'in5',
          scale: 'in6',
          factor: inputs.length > 7 ? { buffer: 'in7', rows: rowsPerSample } : undefined,
          side: { buffer: 'in0', how: 'add' },
        },
      };
      // Where the second product can apply gelu itself, only what goes into it is ever stored.
      const [between, epilogue, gelu] = bringsGelu({ ...second, a: 'in1', gelu: 'a' }, target, version)
        ? [kept ?? widened(), { bias: 'in3' } as const, 'a' as const]
        : [widened(), { bias: 'in3', activation: 'gelu', kept } as const, undefined];
      const planned =
        planProduct({ ...first, out: between, epilogue }, target, version, draft) &&
        planProduct({ ...second, a: between, gelu }, target, version, draft);
      return planned ? draft : null;
    },
    reference: (inputs) => referenceMlp(inputs).slice(0, keeps ? 2 : 1),
    cost: ([, x, weight1]) => ({ flops: 4 * (sizeOf(x.shape) / weight1.shape[1]) * sizeOf(weight1.shape) }),
  });
}

/** (residual, x, weight1, bias1, weight2, bias2, gamma, factor?) → the block's output, and what goes into gelu [..., hidden]. */
export const residualMlpProgram = program('residualMlp', true);
/** As `residualMlpProgram`, output 0 alone. */
export const residualMlpInferenceProgram = program('residualMlp.inference', false);
