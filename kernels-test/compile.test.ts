/**
 * Tier: no adapter. Every kernel in every element format and width passes Dawn's own validation with the layout that was read from its WGSL: bindings of
 * other types or access, or uniforms that are not there, would be refused. Runs on Dawn's null backend, which knows every feature and runs nothing.
 */
import { create, globals } from 'webgpu';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GpuDevice } from '../src/engine/gpu/device.ts';
import { kernel } from '../src/engine/gpu/shaderKernel.ts';
import { SHADER_TEXT } from '../src/engine/gpu/shaderText.generated.ts';
import { dawnFlags } from '../src/engine/node/list.ts';

Object.assign(globalThis, globals);
const gpu = create(['backend=null', ...dawnFlags()]);
let device: GpuDevice;
beforeAll(async () => {
  const adapter = await gpu.requestAdapter();
  if (!adapter) throw new Error("Dawn's null backend gives no adapter");
  device = await GpuDevice.open(adapter, { deviceClass: 'gpu', probe: false });
});
afterAll(() => device.destroy());

/** Values of generated constants that suit every kernel which asks for them. */
const CONSTANTS: Readonly<Record<string, number>> = {
  ...{ MATRIX_M: 16, MATRIX_N: 16, MATRIX_K: 16, DEPTH: 16, PIXELS: 128, GROUPS: 2 },
  ...{ LANES: 32, PER_LANE: 3, ROWS: 32, COLUMNS: 8, SUBGROUPS: 8 },
};

const names = Object.keys(SHADER_TEXT)
  .filter((path) => !path.startsWith('common/'))
  .map((path) => path.replace(/\.wgsl$/, ''));

describe.each(names)('%s', (name) => {
  const definition = kernel(name);
  const has = (prefix: RegExp): boolean => definition.bindings.some(({ type }) => prefix.test(type));
  const formats = (exists: boolean) => (exists ? ([undefined, 'f16'] as const) : ([undefined] as const));
  const variants = formats(has(/^(Scalar|Vec4|Bits|Item)/)).flatMap((storage) =>
    formats(has(/^Result/)).flatMap((result) =>
      (has(/^(Item|ResultItem|Number|Index)/) ? ([1, 4] as const) : ([1] as const)).map((width) => ({
        storage,
        result,
        width,
      })),
    ),
  );
  it.for(variants)('compiles with storage $storage, result $result, width $width', async (variant) => {
    const grants = device.target.limits.maxStorageBuffersPerShaderStage;
    const constants = Object.fromEntries(definition.constants.map((constant) => [constant, CONSTANTS[constant]]));
    const dispatch = { kernel: definition, buffers: {}, uniforms: {}, constants, workgroups: [1, 1, 1] } as const;
    const problem = await device.probe({ ...dispatch, ...variant });
    // More buffers than the null backend grants are an error of this kernel, and not of the next.
    if (definition.bindings.length > grants) expect(problem).toMatch(`this adapter grants ${grants}`);
    else expect(problem).toBeNull();
  });
});
