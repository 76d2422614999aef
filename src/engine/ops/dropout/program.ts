/** The programs of dropout and stochastic depth: shapes, plans and cost. */
import { type BufferReference, type Dispatch, gridFor } from '../../gpu/kernel.ts';
import { kernel } from '../../gpu/shaderKernel.ts';
import { requireShape, sameShape } from '../../tensor/shape.ts';
import { byteLength, formatShape, type Shape, sizeOf, type TensorSpec } from '../../tensor/spec.ts';
import { mulProgram } from '../binary/program.ts';
import { defineProgram, type Program } from '../definition.ts';
import { elementwisePlan } from '../elementwise.ts';
import { like, storageOf } from '../storage.ts';
import { type DropoutAttributes, type DropPathAttributes, survivorScale } from './attributes.ts';
import { referenceDropout, referenceFactored } from './reference.ts';

const elementKernel = kernel('dropout/element');

const factorsKernel = kernel('dropout/factors');

function checked(op: string, [x, seed]: readonly TensorSpec[], p: number): TensorSpec[] {
  requireShape(p >= 0 && p <= 1, op, `the probability ${p} is not within [0, 1]`);
  requireShape(
    seed.dtype === 'u32' && sameShape(seed.shape, [2]),
    op,
    `the second input must be the u32 pair [seed, stream], not ${formatShape(seed.shape)} ${seed.dtype}`,
  );
  return [like(x)];
}

/** Shape of the factors that `x` is multiplied by, one per sample or one per sample and channel. */
function factorShape(shape: Shape, granularity: 'sample' | 'channel'): number[] {
  return shape.map((extent, axis) =>
    axis === 0 || (granularity === 'channel' && axis === shape.length - 1) ? extent : 1,
  );
}

type Factored = Pick<Program<DropPathAttributes>, 'kernels' | 'plan' | 'reference'>;

/** Makes the factors, then multiplies by them with the kernels of `mul`. */
function factored(granularity: 'sample' | 'channel'): Factored {
  return {
    kernels: [factorsKernel, ...mulProgram.kernels],
    plan([x], outputs, { p }, target, version) {
      // In the format of x, as the kernels of `mul` want it.
      const factors = like(x, factorShape(x.shape, granularity));
      const product = mulProgram.plan([x, factors], outputs, {}, target, version);
      if (!product) return null;
      const size = sizeOf(factors.shape);
      const make: Dispatch = {
        kernel: factorsKernel,
        storage: storageOf(x),
        buffers: { seed: 'in1', factors: 'tmp0' },
        uniforms: { size, p, scale: survivorScale(p) },
        workgroups: gridFor(Math.ceil(size / 4), 64),
      };
      const rename = (reference: BufferReference): BufferReference => (reference === 'in1' ? 'tmp0' : reference);
      return {
        dispatches: [
          make,
          ...product.dispatches.map((dispatch) => ({
            ...dispatch,
            buffers: Object.fromEntries(
              Object.entries(dispatch.buffers).map(([name, reference]) => [name, rename(reference)] as const),
            ),
          })),
        ],
        scratch: [byteLength(factors)],
      };
    },
    reference: ([x, seed], { p }) => [referenceFactored(x, factorShape(x.shape, granularity), seed, p)],
  };
}

const bySample = factored('sample');
const byChannel = factored('channel');

/** (x, seed) → x with elements (or whole channels of a sample) set to 0 with probability p, the others over 1 - p. */
export const dropoutProgram = defineProgram<DropoutAttributes>({
  name: 'dropout',
  signature: {
    inputs: { x: 'activation', seed: 'seed' },
    attributes: { p: 'number', granularity: ['element', 'channel'] },
  },
  kernels: [elementKernel, ...byChannel.kernels],
  infer: (inputs, { p }) => checked('dropout', inputs, p),
  plan(inputs, outputs, attributes, target) {
    if (attributes.granularity === 'channel') return byChannel.plan(inputs, outputs, attributes, target);
    const { p } = attributes;
    return elementwisePlan(elementKernel, { x: 'in0', seed: 'in1', out: 'out0' }, sizeOf(inputs[0].shape), target, {
      uniforms: { p, scale: survivorScale(p) },
      storage: storageOf(inputs[0]),
    });
  },
  reference(inputs, attributes, outputs) {
    if (attributes.granularity === 'channel') return byChannel.reference(inputs, attributes, outputs);
    const [x, seed] = inputs;
    return [referenceDropout(x, seed, attributes.p)];
  },
  cost: ([x]) => ({ flops: sizeOf(x.shape) }),
});

/** (x [N, …], seed) → x with whole samples set to 0 with probability p, the others over 1 - p. */
export const dropPathProgram = defineProgram<DropPathAttributes>({
  name: 'dropPath',
  signature: { inputs: { x: 'activation', seed: 'seed' }, attributes: { p: 'number' } },
  ...bySample,
  versions: mulProgram.versions,
  infer(inputs, { p }) {
    requireShape(inputs[0].shape.length >= 1, 'dropPath', 'a scalar has no samples to drop');
    return checked('dropPath', inputs, p);
  },
  cost: ([x]) => ({ flops: sizeOf(x.shape) }),
});
