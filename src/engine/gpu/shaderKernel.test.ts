/** Tier: no adapter. What is read from a shader file, and what its form must be. */
import { describe, expect, it } from 'vitest';
import { kernel } from './shaderKernel.ts';
import { assembleShader, type ShaderFiles } from './shaders.ts';

const SHADER = `enable subgroups;
// In comments nothing counts: @binding(9), override NONE, enable f16;

// #include "common/storage.wgsl"
// #constant LANES

struct Uniforms { rows: u32, shift: i32,
  eps: f32, // added to the variance
}

override FLAG: bool = false;

@group(0) @binding(0) var<uniform> u: Uniforms;
@group(0) @binding(2) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> x: array<Vec4>;

@compute @workgroup_size(LANES)
fn main() {}
`;

const STORAGE = `// #constant DEPTH
alias Vec4 = vec4<f32>;
override OTHER = 1u;
`;

/** Shader files in which test/kernel.wgsl is `text`. */
const withShader =
  (text: string): ShaderFiles =>
  (path) =>
    path === 'test/kernel.wgsl' ? text : STORAGE;

describe('a kernel read from its shader', () => {
  it('has the bindings, uniforms, overrides, constants and features that the file and its includes declare', () => {
    const { name, bindings, uniforms, overrides, constants, features } = kernel('test/kernel', withShader(SHADER));
    expect(name).toBe('test/kernel');
    expect(bindings).toEqual([
      { name: 'x', access: 'read', type: 'Vec4' },
      { name: 'out', access: 'read_write', type: 'vec4f' },
    ]);
    expect(Object.entries(uniforms)).toEqual([
      ['rows', 'u32'],
      ['shift', 'i32'],
      ['eps', 'f32'],
    ]);
    expect(overrides).toEqual(['OTHER', 'FLAG']);
    expect(constants).toEqual(['DEPTH', 'LANES']);
    expect(features).toEqual(['subgroups']);
  });

  it('is one object per name', () => {
    expect(kernel('reduce/sum')).toBe(kernel('reduce/sum'));
  });

  it.each<[string, string, string, RegExp]>([
    ['an element type that no tensor has', 'array<vec4<f32>>', 'array<vec3f>', /out: array<vec3f> is not an array of/],
    ['a vector of uniforms', 'shift: i32', 'shift: vec2u', /uniform shift: vec2u is not of type u32, i32 or f32/],
    ['a gap between bindings', '@binding(2)', '@binding(3)', /count from 1; out has 3/],
    ['another group', '@group(0) @binding(1)', '@group(1) @binding(1)', /x is in group 1/],
    ['a uniform of another type', 'u: Uniforms', 'u: Settings', /binding 0 must be var<uniform> of type Uniforms/],
    ['no struct of uniforms', 'struct Uniforms', 'struct Others', /has no struct Uniforms/],
    ['an access that is not said', 'storage, read>', 'storage>', /x must be var<storage, read> or/],
    ['a binding in another order', '@group(0) @binding(1)', '@binding(1) @group(0)', /a binding is not written @group/],
    ['an extension without a feature', 'enable subgroups', 'enable dual_source', /known for enable dual_source/],
    ['no entry point', 'fn main', 'fn other', /no compute entry point named main/],
  ])('is refused with %s', (_what, from, to, message) => {
    const read = () => kernel('test/kernel', withShader(SHADER.replace(from, to))).bindings;
    expect(read).toThrow(message);
    expect(read).toThrow(/shaders\/test\/kernel\.wgsl/);
  });

  it('is refused where there is no such file', () => {
    expect(() => kernel('reduce/nothing').bindings).toThrow('there is no shader file shaders/reduce/nothing.wgsl');
  });
});

describe('constants', () => {
  const assemble = (constants: Record<string, number>) =>
    assembleShader(withShader(SHADER), 'test/kernel.wgsl', constants);

  it('stand behind the file, which may open with directives', () => {
    expect(assemble({ LANES: 8, DEPTH: 2 }).code).toMatch(
      /^enable subgroups;[\s\S]*\nconst DEPTH = 2;\nconst LANES = 8;$/,
    );
  });

  it.each<[string, Record<string, number>, string]>([
    ['missing', { LANES: 8 }, 'constant DEPTH has no value'],
    ['unknown', { LANES: 8, DEPTH: 2, WIDTH: 1 }, 'no constant is named WIDTH'],
    ['not an integer', { LANES: 8.5, DEPTH: 2 }, 'constant LANES = 8.5 is not an integer'],
  ])('are refused where one is %s', (_what, constants, message) => {
    expect(() => assemble(constants)).toThrow(`test/kernel.wgsl: ${message}`);
  });
});
