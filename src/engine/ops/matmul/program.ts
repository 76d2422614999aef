/** The programs of matrix products: shapes, plans and cost. */
import type { Plan, PlanTarget } from '../../gpu/kernel.ts';
import { kernel } from '../../gpu/shaderKernel.ts';
import { f32, formatShape, type TensorSpec } from '../../tensor/spec.ts';
import { requireShape, sameShape } from '../../tensor/shape.ts';
import { defineProgram, type NoAttributes } from '../definition.ts';
import { like, requireSameType, storageOf } from '../storage.ts';
import { sumPairKernels } from '../reduce/columnPairs.ts';
import { sumKernels } from '../reduce/plan.ts';
import type { MatmulAttributes } from './attributes.ts';
import { matmulGeometry, requireBias } from './geometry.ts';
import type { Draft } from './draft.ts';
import { planProduct, type Product } from './plan.ts';
import { referenceGradWeight, referenceMatmul } from './reference.ts';
import { tileKernel, tileTransposedKernel } from './tiles.ts';
import { MATMUL_VERSIONS } from './versions.ts';

/** Kernels that `planProduct` may use. */
export const productKernels = [
  kernel('matmul/simple'),
  kernel('matmul/register'),
  kernel('matmul/transposed'),
  kernel('matmul/subgroup'),
  kernel('matmul/subgroupTransposed'),
  kernel('matmul/quad'),
  kernel('matmul/quadTransposed'),
  tileKernel,
  tileTransposedKernel,
  kernel('matmul/subgroupMatrix'),
  kernel('matmul/subgroupMatrixTransposed'),
  kernel('matmul/packBlock'),
  kernel('matmul/pack'),
  ...sumPairKernels,
  ...sumKernels,
];

/** The plan of one product; null where the target cannot run the version. */
function productPlan(product: Product, target: PlanTarget, version: string | undefined): Plan | null {
  const draft: Draft = { dispatches: [], scratch: [] };
  return planProduct(product, target, version, draft) ? draft : null;
}

/** The output of a product of these inputs (a, b, bias?). */
function outputOf(inputs: readonly TensorSpec[], attributes: MatmulAttributes): TensorSpec {
  requireShape(
    inputs.length === 2 || inputs.length === 3,
    'matmul',
    `${inputs.length} inputs: it takes a, b and perhaps a bias`,
  );
  const [a, b, bias] = inputs;
  const { outShape, n } = matmulGeometry(a.shape, b.shape, attributes);
  requireBias(bias?.shape, n);
  requireSameType('matmul', [a, b]);
  return attributes.result === 'f32' ? f32(outShape) : like(a, outShape);
}

/** The program with or without what backward reads of gelu: the sums that go into it. */
function program(name: string, keeps: boolean) {
  const keepsSums = ({ activation }: MatmulAttributes): boolean => keeps && activation === 'gelu';
  return defineProgram<MatmulAttributes>({
    name,
    signature: {
      inputs: { a: 'activation', b: 'activation', 'bias?': 'float32' },
      attributes: {
        transposeA: 'flag?',
        transposeB: 'flag?',
        activation: ['none', 'relu', 'gelu'],
        result: ['f32'],
      },
    },
    kernels: productKernels,
    versions: MATMUL_VERSIONS,
    infer(inputs, attributes) {
      const out = outputOf(inputs, attributes);
      return keepsSums(attributes) ? [out, like(inputs[0], out.shape)] : [out];
    },
    plan: ([a, b, bias], [out], attributes, target, version) =>
      productPlan(
        {
          storage: storageOf(a),
          result: storageOf(out),
          geometry: matmulGeometry(a.shape, b.shape, attributes),
          a: 'in0',
          b: 'in1',
          out: 'out0',
          epilogue: {
            bias: bias && 'in2',
            activation: attributes.activation ?? 'none',
            kept: keepsSums(attributes) ? 'out1' : undefined,
          },
        },
        target,
        version,
      ),
    reference: (inputs, attributes) => referenceMatmul(inputs, attributes).slice(0, keepsSums(attributes) ? 2 : 1),
    cost([a, b], _outputs, attributes) {
      const { batch, m, n, k } = matmulGeometry(a.shape, b.shape, attributes);
      return { flops: 2 * batch * m * n * k };
    },
  });
}

/**
 * (a, b, bias?) → f(a · b + bias), shapes as `matmulGeometry` says, bias [N]. Of gelu, output 1 holds a · b + bias
 * (relu's derivative follows from its output).
 */
export const matmulProgram = program('matmul', true);
/** As `matmulProgram`, output 0 alone. */
export const matmulInferenceProgram = program('matmul.inference', false);

/** (g [K, M], x [K, N]) → gᵀ · x [M, N] and the sums of g over K [M]: the gradients of a linear layer's weight and bias. */
export const gradWeightProgram = defineProgram<NoAttributes>({
  name: 'matmul.gradWeight',
  kernels: productKernels,
  versions: MATMUL_VERSIONS,
  infer([g, x]) {
    requireShape(
      g.shape.length === 2 && x.shape.length === 2 && sameShape(g.shape.slice(0, 1), x.shape.slice(0, 1)),
      'matmul.gradWeight',
      `gradient ${formatShape(g.shape)} and input ${formatShape(x.shape)} must be matrices of as many rows`,
    );
    requireSameType('matmul.gradWeight', [g, x]);
    return [f32([g.shape[1], x.shape[1]]), f32([g.shape[1]])];
  },
  plan: ([g, x], _outputs, _attributes, target, version) =>
    productPlan(
      {
        storage: storageOf(g),
        geometry: matmulGeometry(g.shape, x.shape, { transposeA: true }),
        a: 'in0',
        b: 'in1',
        out: 'out0',
        sums: 'out1',
      },
      target,
      version,
    ),
  reference: ([g, x]) => referenceGradWeight(g, x),
  cost: ([g, x]) => ({ flops: 2 * g.shape[0] * g.shape[1] * x.shape[1] }),
});
