import type { Shape } from '../../tensor/spec.ts';
import type { NoAttributes } from '../binary/program.ts';
import { type BackwardContext, type Case, type CaseInput, defineOp } from '../definition.ts';
import type { Value } from '../value.ts';
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

function scaleCase(
  name: string,
  shape: Shape,
  options: { residual: boolean; factor?: boolean },
  purpose: Case['purpose'] = ['test', 'gradient'],
): Case<NoAttributes> {
  const inputs: CaseInput[] = [{ shape }, { shape: shape.slice(-1) }];
  if (options.residual) inputs.unshift({ shape });
  if (options.factor) inputs.push({ shape: shape.slice(0, 1), fill: 'uniform', grad: false });
  return { name, inputs, attributes: {}, purpose };
}

function cases(residual: boolean): Case<NoAttributes>[] {
  return [
    scaleCase('tiny', [2, 2, 3, 3], { residual }),
    scaleCase('factor a sample', [3, 2, 1, 5], { residual, factor: true }),
    scaleCase('one row', [3], { residual }),
    scaleCase('channels in fours', [2, 5, 7, 8], { residual }, ['test']),
    scaleCase('channels in fours, factor', [3, 7, 5, 12], { residual, factor: true }, ['test']),
    scaleCase('many rows', [2, 29, 31, 6], { residual, factor: true }, ['test']),
    scaleCase('ConvNeXt-T stage 1, N4', [4, 56, 56, 96], { residual, factor: true }, ['bench']),
    scaleCase('ConvNeXt-T stage 4, N8', [8, 7, 7, 768], { residual, factor: true }, ['bench']),
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
  half: [0],
  cases: cases(false),
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
  half: [0, 1],
  cases: cases(true),
});
