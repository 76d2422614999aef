/** With and without residual and factor, channels in fours and not. */
import type { Shape } from '../../tensor/spec.ts';
import type { Case, CaseInput, NoAttributes } from '../definition.ts';

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

export function layerScaleCases(residual: boolean): Case<NoAttributes>[] {
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
