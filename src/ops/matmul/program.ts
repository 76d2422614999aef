import { f32 } from '../../tensor/spec.ts';
import { requireShape } from '../../tensor/shape.ts';
import { defineProgram } from '../definition.ts';
import { sumKernel, sumVec4Kernel } from '../reduce/plan.ts';
import { type MatmulAttributes, matmulGeometry, requireBias } from './geometry.ts';
import { packKernel, registerKernel, simpleKernel, subgroupKernel, tiledKernel, transposedKernel } from './kernels.ts';
import { MATMUL_VERSIONS, matmulPlan } from './plan.ts';
import { referenceMatmul } from './reference.ts';

/**
 * (a, b, bias?) → f(a · b + bias), shapes as `matmulGeometry` says, bias [N]. With an activation f, output 1 holds
 * the sums before it.
 */
export const matmulProgram = defineProgram<MatmulAttributes>({
  name: 'matmul',
  kernels: [
    simpleKernel,
    registerKernel,
    subgroupKernel,
    transposedKernel,
    tiledKernel,
    packKernel,
    sumKernel,
    sumVec4Kernel,
  ],
  versions: MATMUL_VERSIONS,
  infer(inputs, attributes) {
    requireShape(
      inputs.length === 2 || inputs.length === 3,
      'matmul',
      `${inputs.length} inputs: it takes a, b and perhaps a bias`,
    );
    const [a, b, bias] = inputs;
    const { outShape, n } = matmulGeometry(a.shape, b.shape, attributes);
    requireBias(bias?.shape, n);
    const out = f32(outShape);
    return (attributes.activation ?? 'none') === 'none' ? [out] : [out, out];
  },
  plan: ([a, b, bias], _outputs, attributes, target, version) =>
    matmulPlan(
      matmulGeometry(a.shape, b.shape, attributes),
      { hasBias: bias !== undefined, activation: attributes.activation ?? 'none' },
      target,
      version,
    ),
  reference: (inputs, attributes) => referenceMatmul(inputs, attributes),
  cost([a, b], _outputs, attributes) {
    const { batch, m, n, k } = matmulGeometry(a.shape, b.shape, attributes);
    return { flops: 2 * batch * m * n * k };
  },
});
