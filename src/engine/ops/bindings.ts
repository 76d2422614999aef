/** Whether a tensor may be bound where a kernel binds it: the last guard against bits that are read as another type. */
import type { BindingType, Dispatch, KernelDefinition } from '../gpu/kernel.ts';
import type { ShaderFormats } from '../gpu/shaders.ts';
import type { DType } from '../tensor/spec.ts';

/** WGSL type of a binding under a dispatch's element formats. */
function bindingType(type: BindingType, { storage, result, width }: ShaderFormats): string {
  const half = (type.startsWith('Result') ? result : storage) === 'f16';
  switch (type) {
    case 'Scalar':
    case 'Result':
      return half ? 'f16' : 'f32';
    case 'Vec4':
    case 'Result4':
      return half ? 'vec4h' : 'vec4f';
    case 'Bits':
      return half ? 'f16' : 'u32';
    case 'Bits4':
      return half ? 'vec2u' : 'vec4u';
    case 'BitsItem':
      return bindingType(width === 4 ? 'Bits4' : 'Bits', { storage });
    case 'Item':
    case 'ResultItem':
      return width === 4 ? (half ? 'vec4h' : 'vec4f') : half ? 'f16' : 'f32';
    case 'Number':
      return width === 4 ? 'vec4f' : 'f32';
    case 'Index':
      return width === 4 ? 'vec4u' : 'u32';
    default:
      return type;
  }
}

/** Whether a tensor may be bound as an array of a WGSL type: other types of the same width only as bit patterns. */
function fits(dtype: DType, wgsl: string): boolean {
  if (dtype === 'f16') return ['f16', 'vec4h', 'vec2u'].includes(wgsl);
  if (wgsl === 'u32' || wgsl === 'vec4u') return true;
  return dtype === 'f32' ? ['f32', 'vec4f', 'vec2f'].includes(wgsl) : wgsl === dtype;
}

/** What is wrong with binding a tensor of `dtype` there, or null. */
export function bindingProblem(
  dtype: DType,
  binding: KernelDefinition['bindings'][number],
  dispatch: Pick<Dispatch, 'kernel' | 'storage' | 'result' | 'width'>,
): string | null {
  const type = bindingType(binding.type, dispatch);
  return fits(dtype, type) ? null : `is ${dtype}, but ${dispatch.kernel.name} binds ${binding.name} as ${type}`;
}
