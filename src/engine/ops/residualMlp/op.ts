/** The op of the second half of a ConvNeXt block: gradient and cases. */
import { defineOp, type NoAttributes } from '../definition.ts';
import { sampleScaleProgram } from '../layerScale/program.ts';
import { gradWeightProgram, matmulProgram } from '../matmul/program.ts';
import { residualMlpCases } from './cases.ts';
import { residualMlpBackwardProgram } from './gradient.ts';
import { residualMlpInferenceProgram, residualMlpProgram } from './program.ts';

/**
 * (residual [N, ..., C], x [N, ..., C], weight1 [H, C], bias1 [H], weight2 [C, H], bias2 [C], gamma [C], factor [N]?) →
 *
 *   residual + factor * gamma * (weight2 · gelu(weight1 · x + bias1) + bias2)
 *
 * the second half of a ConvNeXt block (Liu et al., CVPR 2022) in two products. Kept for backward is what goes into gelu, not what comes out nor the
 * branch: gamma's gradient comes out of the second weight's (shaders/residualMlp/finishProjection.wgsl). The factor gets no gradient.
 */
export const residualMlp = defineOp<NoAttributes>({
  name: 'residualMlp',
  forward: residualMlpProgram,
  inference: residualMlpInferenceProgram,
  programs: [sampleScaleProgram, residualMlpBackwardProgram],
  gradient: {
    saves: { inputs: [1, 2, 4, 5, 6, 7], outputs: [1] },
    backward(context) {
      const { inputSpecs, gradOutput } = context;
      const [, xSpec, { shape: weight1 }] = inputSpecs;
      const [hidden, channels] = weight1;
      const gradient =
        inputSpecs.length > 7 ? context.run(sampleScaleProgram, [gradOutput, context.input(7)], {})[0] : gradOutput;
      const [weight2, bias2, gamma] = [4, 5, 6].map((index) => context.input(index));
      const [gradSums, gradWeight2, gradBias2, gradGamma] = context.run(
        residualMlpBackwardProgram,
        [gradient, context.output(1), weight2, bias2, gamma],
        {},
      );
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
  cases: residualMlpCases,
});
