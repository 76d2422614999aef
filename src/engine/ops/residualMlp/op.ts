import type { Shape } from '../../tensor/spec.ts';
import type { NoAttributes } from '../binary/program.ts';
import { type Case, defineOp, type Tolerance } from '../definition.ts';
import { sampleScaleProgram } from '../layerScale/program.ts';
import { gradWeightProgram, matmulProgram } from '../matmul/program.ts';
import { gradHiddenProgram, gradProjectionProgram } from './gradient.ts';
import { residualMlpInferenceProgram, residualMlpProgram } from './program.ts';

const HALF_TOLERANCE: Tolerance = {
  relativeL2: 3e-4,
  element: 1e-3,
  reason:
    'gelu(...) between the products, and gamma times a weight, are stored in float16: 2^-11 of each term of a sum',
};

function mlpCase(
  name: string,
  x: Shape,
  hidden: number,
  options: { factor?: boolean; grad?: boolean },
  purpose: Case['purpose'],
): Case<NoAttributes> {
  const [samples, channels] = [x[0], x.at(-1) ?? 0];
  const { factor = false, grad = true } = options;
  const shapes = [x, x, [hidden, channels], [hidden], [channels, hidden], [channels], [channels]];
  return {
    name,
    inputs: [
      ...shapes.map((shape) => ({ shape, grad })),
      ...(factor ? [{ shape: [samples], fill: 'uniform' as const, grad: false }] : []),
    ],
    attributes: {},
    purpose,
    halfTolerance: HALF_TOLERANCE,
  };
}

const cases: readonly Case<NoAttributes>[] = [
  mlpCase('tiny', [2, 1, 2, 3], 5, {}, ['test', 'gradient']),
  mlpCase('tiny, factor', [3, 2, 4], 8, { factor: true }, ['test', 'gradient']),
  mlpCase('channels in fours, past whole tiles', [2, 5, 7, 12], 68, { factor: true }, ['test']),
  mlpCase('many rows', [1100, 8], 32, {}, ['test']),
  mlpCase('no gradient', [3, 11, 8], 20, { factor: true, grad: false }, ['test']),
  mlpCase('ConvNeXt-A stage 1, 32x32, N8', [8, 32, 32, 40], 160, {}, ['bench']),
  mlpCase('ConvNeXt-A stage 3, 8x8, N8', [8, 8, 8, 160], 640, {}, ['bench']),
  mlpCase('ConvNeXt-A stage 3, no gradient', [8, 8, 8, 160], 640, { grad: false }, ['bench']),
  mlpCase('ConvNeXt-T stage 2, N4', [4, 28, 28, 192], 768, { factor: true }, ['bench']),
];

/**
 * (residual [N, ..., C], x [N, ..., C], weight1 [H, C], bias1 [H], weight2 [C, H], bias2 [C], gamma [C], factor [N]?) →
 *
 *   residual + factor * gamma * (weight2 · gelu(weight1 · x + bias1) + bias2)
 *
 * the second half of a ConvNeXt block (Liu et al., CVPR 2022) in two products. Kept for backward are gelu(…) and gelu'(…), not the branch:
 * gamma's gradient comes out of the second weight's (shaders/residualMlp/finishProjection.wgsl). The factor gets no gradient.
 */
export const residualMlp = defineOp<NoAttributes>({
  name: 'residualMlp',
  forward: residualMlpProgram,
  inference: residualMlpInferenceProgram,
  programs: [sampleScaleProgram, gradHiddenProgram, gradProjectionProgram],
  gradient: {
    saves: { inputs: [1, 2, 4, 5, 6, 7], outputs: [1, 2] },
    backward(context) {
      const { inputSpecs, gradOutput } = context;
      const [, xSpec, { shape: weight1 }] = inputSpecs;
      const [hidden, channels] = weight1;
      const gradient =
        inputSpecs.length > 7 ? context.run(sampleScaleProgram, [gradOutput, context.input(7)], {})[0] : gradOutput;
      const [weight2, bias2, gamma] = [4, 5, 6].map((index) => context.input(index));
      const [gradWeight2, gradBias2, gradGamma] = context.run(
        gradProjectionProgram,
        [gradient, context.output(1), weight2, bias2, gamma],
        {},
      );
      const [gradSums] = context.run(gradHiddenProgram, [gradient, weight2, gamma, context.output(2)], {});
      const rows = xSpec.shape.slice(0, -1).reduce((product, extent) => product * extent, 1);
      const [gradWeight1, gradBias1] = context.run(
        gradWeightProgram,
        [context.reshape(gradSums, [rows, hidden]), context.reshape(context.input(1), [rows, channels])],
        {},
      );
      const gradX = context.needs(1) ? context.run(matmulProgram, [gradSums, context.input(2)], {})[0] : null;
      return [gradOutput, gradX, gradWeight1, gradBias1, gradWeight2, gradBias2, gradGamma, null];
    },
  },
  half: [0, 1, 2, 4],
  cases,
});
