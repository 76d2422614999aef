/** The programs of pooling: shapes, plans and cost. */
import { kernel } from '../../gpu/shaderKernel.ts';
import { requireShape, sameShape } from '../../tensor/shape.ts';
import { formatShape, sizeOf } from '../../tensor/spec.ts';
import { defineProgram } from '../definition.ts';
import { like, requireAddend, storageOf } from '../storage.ts';
import type { AvgPoolAttributes, InputShape, MaxPoolAttributes } from './attributes.ts';
import { referenceAverage, referenceAverageBackward, referenceMax, referenceMaxBackward } from './reference.ts';
import { pooledShape, windowDispatch, windowOf } from './window.ts';

const VERSIONS = ['scalar', 'vec4'] as const;

const maxKernel = kernel('pool/max');
const maxBackwardKernel = kernel('pool/maxBackward');
const averageKernel = kernel('pool/avg');
const averageBackwardKernel = kernel('pool/avgBackward');

/** Whether the fast kernel serves, or null where `version` asks for what cannot be. */
function useVector(channels: number, version: string | undefined): boolean | null {
  const fits = channels % 4 === 0;
  if (version === 'vec4') return fits ? true : null;
  return fits && version !== 'scalar';
}

/** x [N, H, W, C] → maxima [N, H', W', C] and, as u32, the index y * W + x of each in its plane (the first of equals). */
export const maxPoolProgram = defineProgram<MaxPoolAttributes>({
  name: 'maxPool2d',
  signature: {
    inputs: { x: 'activation' },
    attributes: { kernel: 'perAxis', stride: 'perAxis?', padding: 'perAxis?', dilation: 'perAxis?' },
  },
  kernels: [maxKernel],
  versions: VERSIONS,
  infer([x], attributes) {
    const shape = pooledShape(windowOf('maxPool2d', x.shape, attributes));
    return [like(x, shape), { shape, dtype: 'u32' }];
  },
  plan([x], _outputs, attributes, target, version) {
    const storage = storageOf(x);
    const vector = useVector(x.shape[3], version);
    if (vector === null) return null;
    const dispatch = windowDispatch(windowOf('maxPool2d', x.shape, attributes), 'output', vector, target);
    return {
      dispatches: [{ kernel: maxKernel, storage, buffers: { x: 'in0', out: 'out0', argmax: 'out1' }, ...dispatch }],
    };
  },
  reference: ([x], attributes) => referenceMax(x.data, windowOf('maxPool2d', x.shape, attributes)),
  cost([x], [out], attributes) {
    const { y, x: across } = windowOf('maxPool2d', x.shape, attributes);
    return { flops: sizeOf(out.shape) * y.kernel * across.kernel };
  },
});

/** (gradOutput, argmax, addend?) → gradient of x, plus what is to be added to it. */
export const maxPoolBackwardProgram = defineProgram<MaxPoolAttributes & InputShape>({
  name: 'maxPool2d.backward',
  kernels: [maxBackwardKernel],
  versions: VERSIONS,
  infer([gradOutput, argmax, addend], attributes) {
    const expected = pooledShape(windowOf('maxPool2d.backward', attributes.inputShape, attributes));
    requireShape(
      sameShape(gradOutput.shape, expected) && sameShape(argmax.shape, expected),
      'maxPool2d.backward',
      `gradient ${formatShape(gradOutput.shape)} and argmax ${formatShape(argmax.shape)} should be ${formatShape(expected)}`,
    );
    requireAddend('maxPool2d.backward', addend, like(gradOutput, attributes.inputShape));
    return [like(gradOutput, attributes.inputShape)];
  },
  plan([, , addend], [gradX], attributes, target, version) {
    const storage = storageOf(gradX);
    const vector = useVector(gradX.shape[3], version);
    if (vector === null) return null;
    const dispatch = windowDispatch(windowOf('maxPool2d', gradX.shape, attributes), 'input', vector, target);
    return {
      dispatches: [
        {
          kernel: maxBackwardKernel,
          storage,
          buffers: { gradOutput: 'in0', argmax: 'in1', addend: addend ? 'in2' : 'in0', gradX: 'out0' },
          ...dispatch,
          uniforms: { ...dispatch.uniforms, hasAddend: addend ? 1 : 0 },
        },
      ],
    };
  },
  reference: ([gradOutput, argmax, addend], attributes) => [
    referenceMaxBackward(
      gradOutput.data,
      argmax.data,
      windowOf('maxPool2d', attributes.inputShape, attributes),
      addend?.data,
    ),
  ],
  cost: ([gradOutput]) => ({ flops: sizeOf(gradOutput.shape) }),
});

const countsPadding = ({ countIncludePad = true }: AvgPoolAttributes): boolean => countIncludePad;

/** x [N, H, W, C] → means [N, H', W', C]. */
export const avgPoolProgram = defineProgram<AvgPoolAttributes>({
  name: 'avgPool2d',
  signature: {
    inputs: { x: 'activation' },
    attributes: { kernel: 'perAxis', stride: 'perAxis?', padding: 'perAxis?', countIncludePad: 'flag?' },
  },
  kernels: [averageKernel],
  versions: VERSIONS,
  infer: ([x], attributes) => [like(x, pooledShape(windowOf('avgPool2d', x.shape, attributes)))],
  plan([x], _outputs, attributes, target, version) {
    const storage = storageOf(x);
    const vector = useVector(x.shape[3], version);
    if (vector === null) return null;
    const dispatch = windowDispatch(windowOf('avgPool2d', x.shape, attributes), 'output', vector, target);
    const overrides = { ...dispatch.overrides, COUNT_PADDING: Number(countsPadding(attributes)) };
    return {
      dispatches: [{ kernel: averageKernel, storage, buffers: { x: 'in0', out: 'out0' }, ...dispatch, overrides }],
    };
  },
  reference: ([x], attributes) => [
    referenceAverage(x.data, windowOf('avgPool2d', x.shape, attributes), countsPadding(attributes)),
  ],
  cost([x], [out], attributes) {
    const { y, x: across } = windowOf('avgPool2d', x.shape, attributes);
    return { flops: sizeOf(out.shape) * y.kernel * across.kernel };
  },
});

/** gradOutput → gradient of x. */
export const avgPoolBackwardProgram = defineProgram<AvgPoolAttributes & InputShape>({
  name: 'avgPool2d.backward',
  kernels: [averageBackwardKernel],
  versions: VERSIONS,
  infer([gradOutput], attributes) {
    const expected = pooledShape(windowOf('avgPool2d.backward', attributes.inputShape, attributes));
    requireShape(
      sameShape(gradOutput.shape, expected),
      'avgPool2d.backward',
      `gradient ${formatShape(gradOutput.shape)} should be ${formatShape(expected)}`,
    );
    return [like(gradOutput, attributes.inputShape)];
  },
  plan(_inputs, [gradX], attributes, target, version) {
    const storage = storageOf(gradX);
    const vector = useVector(gradX.shape[3], version);
    if (vector === null) return null;
    const dispatch = windowDispatch(windowOf('avgPool2d', gradX.shape, attributes), 'input', vector, target);
    const overrides = { ...dispatch.overrides, COUNT_PADDING: Number(countsPadding(attributes)) };
    return {
      dispatches: [
        {
          kernel: averageBackwardKernel,
          storage,
          buffers: { gradOutput: 'in0', gradX: 'out0' },
          ...dispatch,
          overrides,
        },
      ],
    };
  },
  reference: ([gradOutput], attributes) => [
    referenceAverageBackward(
      gradOutput.data,
      windowOf('avgPool2d', attributes.inputShape, attributes),
      countsPadding(attributes),
    ),
  ],
  cost: ([gradOutput]) => ({ flops: sizeOf(gradOutput.shape) }),
});
