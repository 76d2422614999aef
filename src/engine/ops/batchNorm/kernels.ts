import type { BindingDefinition, KernelDefinition } from '../../gpu/kernel.ts';
import { defineKernel } from '../definition.ts';

type NumberType = 'f32' | 'vec4f';

const columnUniforms = { rows: 'u32', columns: 'u32', chunks: 'u32' } as const;

/** What is stored as the activations are; all else is float32. */
const ACTIVATIONS: readonly string[] = ['x', 'y', 'gradX', 'gradY'];

/** The scalar and the vec4 kernel of one file pair: all bindings are of one width, the last `written` are outputs. */
function pair(
  name: string,
  bindings: readonly string[],
  written: number,
  uniforms: KernelDefinition['uniforms'] = columnUniforms,
): { readonly scalar: KernelDefinition; readonly vec4: KernelDefinition } {
  const of = (type: NumberType): BindingDefinition[] =>
    bindings.map((binding, index) => ({
      name: binding,
      access: index < bindings.length - written ? 'read' : 'read_write',
      type: !ACTIVATIONS.includes(binding) ? type : type === 'f32' ? 'Scalar' : 'Vec4',
    }));
  return {
    scalar: defineKernel({ name: `batchNorm/${name}`, bindings: of('f32'), uniforms }),
    vec4: defineKernel({ name: `batchNorm/${name}Vec4`, bindings: of('vec4f'), uniforms }),
  };
}

export const statsKernels = pair('stats', ['x', 'means', 'squares'], 2);

export const normalizeKernels = pair('normalize', ['x', 'weight', 'bias', 'mean', 'rstd', 'y'], 1);

export const gradSumsKernels = pair('gradSums', ['gradY', 'x', 'mean', 'rstd', 'gradWeight', 'gradBias'], 2);

export const gradInputKernels = pair(
  'gradInput',
  ['gradY', 'x', 'weight', 'mean', 'rstd', 'gradWeight', 'gradBias', 'gradX'],
  1,
  { ...columnUniforms, inverseRows: 'f32' },
);

export const finishKernel = defineKernel({
  name: 'batchNorm/finish',
  bindings: [
    { name: 'means', access: 'read', type: 'f32' },
    { name: 'squares', access: 'read', type: 'f32' },
    { name: 'runningMean', access: 'read_write', type: 'f32' },
    { name: 'runningVar', access: 'read_write', type: 'f32' },
    { name: 'mean', access: 'read_write', type: 'f32' },
    { name: 'rstd', access: 'read_write', type: 'f32' },
  ],
  uniforms: { rows: 'u32', columns: 'u32', chunks: 'u32', training: 'u32', eps: 'f32', momentum: 'f32' },
});
