/** Reads a kernel's bindings, uniforms and constants from its WGSL, so that the shader file is the only place that states them. */
import { GmtlError } from '../errors.ts';
import type { BindingDefinition, BindingType, KernelDefinition, KernelFeature, UniformType } from './kernel.ts';
import { constantsOf, includedLines, packagedShaders, type ShaderFiles } from './shaders.ts';
import { SUBGROUP_MATRIX } from './kernel.ts';

const BINDING_TYPES: ReadonlySet<string> = new Set<BindingType>([
  ...(['f32', 'u32', 'i32', 'vec4f', 'vec2f', 'vec4u'] as const),
  ...(['Scalar', 'Vec4', 'Bits', 'Bits4', 'Result', 'Result4'] as const),
  ...(['Item', 'ResultItem', 'Number', 'Index', 'BitsItem'] as const),
]);
const UNIFORM_TYPES: ReadonlySet<string> = new Set<UniformType>(['u32', 'i32', 'f32']);

/** The device features that a kernel's `enable` lines require. */
const FEATURES: ReadonlyMap<string, KernelFeature> = new Map([
  ['subgroups', 'subgroups'],
  ['f16', 'shader-f16'],
  ['chromium_experimental_subgroup_matrix', SUBGROUP_MATRIX],
]);

const VARIABLE = /@group\((\d+)\)\s*@binding\((\d+)\)\s*var<([^>]+)>\s*(\w+)\s*:\s*([^;]+);/g;
const ELEMENTS = /^array<(\w+)>$/;

type Fail = (what: string) => GmtlError;

/** The fields of `struct Uniforms { … }`, scalars only. */
function uniformsOf(code: string, fail: Fail): Record<string, UniformType> {
  const body = /\bstruct\s+Uniforms\s*\{([^}]*)\}/.exec(code)?.[1];
  if (body === undefined) throw fail('it binds uniforms, but has no struct Uniforms');
  const fields: Record<string, UniformType> = {};
  for (const field of body.split(',').map((text) => text.trim())) {
    if (field === '') continue;
    const [name, type] = field.split(':').map((text) => text.trim());
    if (!UNIFORM_TYPES.has(type)) throw fail(`the uniform ${field} is not of type u32, i32 or f32`);
    fields[name] = type as UniformType;
  }
  return fields;
}

type KernelInterface = Omit<KernelDefinition, 'name'>;

/** Reads the interface of the kernel `name` from its file and what that includes. */
function readInterface(name: string, files: ShaderFiles): KernelInterface {
  const fail: Fail = (what) => new GmtlError('gpu/shader', `shaders/${name}.wgsl: ${what}`);
  const lines = includedLines(files, `${name}.wgsl`);
  const code = lines.map(({ text }) => text.replace(/\/\/.*/, '')).join('\n');
  if (!/@compute\b[^{;]*\bfn\s+main\b/.test(code)) throw fail('it has no compute entry point named main');

  let uniforms: Record<string, UniformType> = {};
  const bindings: BindingDefinition[] = [];
  const variables = [...code.matchAll(VARIABLE)].sort((a, b) => Number(a[2]) - Number(b[2]));
  const declared = code.match(/@binding\b/g)?.length ?? 0;
  if (declared !== variables.length) throw fail('a binding is not written @group(0) @binding(n) var<…> name: type;');
  for (const [, group, index, space, variable, type] of variables) {
    if (group !== '0') throw fail(`${variable} is in group ${group}; there is only group 0`);
    if (index === '0') {
      if (space !== 'uniform' || type !== 'Uniforms') throw fail('binding 0 must be var<uniform> of type Uniforms');
      uniforms = uniformsOf(code, fail);
      continue;
    }
    if (Number(index) !== bindings.length + 1) throw fail(`storage bindings count from 1; ${variable} has ${index}`);
    const access = /^storage\s*,\s*(read|read_write)$/.exec(space)?.[1];
    if (access === undefined) throw fail(`${variable} must be var<storage, read> or var<storage, read_write>`);
    // Takes vec4<f32> for its short name, vec4f.
    const element = ELEMENTS.exec(type.replace(/vec([24])<([fu])32>/, 'vec$1$2'))?.[1] ?? type;
    if (!BINDING_TYPES.has(element)) throw fail(`${variable}: ${type} is not an array of a type that buffers hold`);
    bindings.push({ name: variable, access: access as BindingDefinition['access'], type: element as BindingType });
  }

  const features = [...code.matchAll(/^\s*enable\s+(\w+)\s*;/gm)].map(([, extension]) => {
    const feature = FEATURES.get(extension);
    if (!feature) throw fail(`no device feature is known for enable ${extension}`);
    return feature;
  });
  const overrides = [...code.matchAll(/\boverride\s+(\w+)/g)].map(([, override]) => override);
  return { bindings, uniforms, overrides, constants: constantsOf(lines), features };
}

/** A kernel whose file is read when more than its name is first needed: a process uses a third of the kernels, and none at its start. */
function lazyKernel(name: string, files: ShaderFiles): KernelDefinition {
  let known: KernelInterface | null = null;
  const read = (): KernelInterface => {
    known ??= readInterface(name, files);
    return known;
  };
  return {
    name,
    get bindings() {
      return read().bindings;
    },
    get uniforms() {
      return read().uniforms;
    },
    get overrides() {
      return read().overrides;
    },
    get constants() {
      return read().constants;
    },
    get features() {
      return read().features;
    },
  };
}

const packaged = new Map<string, KernelDefinition>();

/**
 * The kernel of shaders/`name`.wgsl, the same object at every call. `files`: shaders other than the package's own.
 * A file that does not have the form that `KernelDefinition` describes is refused when it is first read.
 */
export function kernel(name: string, files: ShaderFiles = packagedShaders): KernelDefinition {
  if (files !== packagedShaders) return lazyKernel(name, files);
  let known = packaged.get(name);
  if (!known) {
    known = lazyKernel(name, files);
    packaged.set(name, known);
  }
  return known;
}
