/** The ops of layer scale: gradient and cases. */
import { type BackwardContext, defineOp, type NoAttributes } from '../definition.ts';
import type { Value } from '../value.ts';
import { layerScaleCases } from './cases.ts';
import { gradGammaProgram, layerScaleProgram, scaleResidualProgram } from './program.ts';

/** Gradients of x and gamma; `first` is the index of x, gamma and the optional factor follow it. */
function gradients(context: BackwardContext<NoAttributes>, first: number): [Value | null, Value | null] {
  const factor = first + 2 < context.inputSpecs.length ? [context.input(first + 2)] : [];
  return [
    context.needs(first)
      ? context.run(layerScaleProgram, [context.gradOutput, context.input(first + 1), ...factor], {})[0]
      : null,
    context.needs(first + 1)
      ? context.run(gradGammaProgram, [context.gradOutput, context.input(first), ...factor], {})[0]
      : null,
  ];
}

/** (x [..., C], gamma [C], factor [N]?) → factor * gamma * x: ConvNeXt's layer scale (Liu et al., CVPR 2022; CaiT). The factor gets no gradient. */
export const layerScale = defineOp<NoAttributes>({
  name: 'layerScale',
  forward: layerScaleProgram,
  programs: [gradGammaProgram],
  gradient: {
    saves: { inputs: [0, 1, 2] },
    backward: (context) => [...gradients(context, 0), null],
  },
  cases: layerScaleCases(false),
});

/**
 * (residual [N, ..., C], x, gamma [C], factor [N]?) → residual + factor * gamma * x: the end of a ConvNeXt block in one pass. For drop path
 * the factor is `dropPath` of a tensor of ones [N]; it gets no gradient.
 */
export const scaleResidual = defineOp<NoAttributes>({
  name: 'scaleResidual',
  forward: scaleResidualProgram,
  gradient: {
    saves: { inputs: [1, 2, 3] },
    backward: (context) => [context.gradOutput, ...gradients(context, 1), null],
  },
  cases: layerScaleCases(true),
});
