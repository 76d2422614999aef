/**
 * Tier: no adapter, slow. Dawn's null backend knows every feature, validates WGSL, workgroup sizes and memory, and runs nothing: the kernels for matrix
 * units pass there. It neither knows which forms an adapter takes nor writes SPIR-V or MSL, so whether drivers accept the kernels is not tested. A file of its own, since a process should have one Dawn instance only.
 */
import { create, globals } from 'webgpu';
import { afterAll, describe, expect, it } from 'vitest';
import { GpuDevice } from '../src/engine/gpu/device.ts';
import { dawnFlags } from '../src/engine/node/list.ts';
import { packagedShaders, type ShaderFiles } from '../src/engine/gpu/shaders.ts';
import { matrixShapes } from '../src/engine/gpu/subgroupMatrix.ts';
import { SUBGROUP_MATRIX } from '../src/engine/gpu/kernel.ts';
import { conv2dProgram, gradWeightProgram as convolutionGradWeight } from '../src/engine/ops/conv2d/program.ts';
import type { Program } from '../src/engine/ops/definition.ts';
import { GpuBackend } from '../src/engine/ops/gpuBackend.ts';
import { gradWeightProgram, matmulProgram } from '../src/engine/ops/matmul/program.ts';
import type { TensorSpec } from '../src/engine/tensor/spec.ts';

Object.assign(globalThis, globals);
const gpu = create(['backend=null', ...dawnFlags()]);
const opened: GpuDevice[] = [];
afterAll(() => {
  for (const device of opened) device.destroy();
});

async function nullDevice(shaders: ShaderFiles = packagedShaders): Promise<GpuDevice> {
  const adapter = await gpu.requestAdapter();
  if (!adapter) throw new Error("Dawn's null backend gives no adapter");
  const device = await GpuDevice.open(adapter, { deviceClass: 'gpu', probe: false, shaders });
  opened.push(device);
  return device;
}

const KERNELS = [
  'matmul/subgroupMatrix',
  'matmul/subgroupMatrixTransposed',
  'conv2d/gatherMatrix',
  'conv2d/gradWeightMatrix',
];

type Form = readonly [m: number, n: number, k: number];

/** Compiles the four kernels for one form of operands; rejects with Dawn's error if it refuses them. */
async function compile(device: GpuDevice, type: 'f16' | 'f32', [M, N, K]: Form, lanes = 32): Promise<void> {
  const config = { componentType: type, resultComponentType: 'f32', M, N, K };
  Object.assign(device, { target: { ...device.target, subgroupMatrix: matrixShapes([config], lanes) } });
  const backend = new GpuBackend(device);
  const spec = (...shape: number[]): TensorSpec => ({ shape, dtype: type });
  const names = new Set<string>();
  const run = <A extends object>(program: Program<A>, specs: readonly TensorSpec[], attributes: A): void => {
    const inputs = specs.map((each) => backend.allocate(each, 'x'));
    const outputs = program.infer(specs, attributes).map((each) => backend.allocate(each, 'y'));
    const outputSpecs = outputs.map((value) => value.spec);
    const plan = program.plan(specs, outputSpecs, attributes, device.target, 'subgroupMatrix');
    for (const { kernel } of plan?.dispatches ?? []) names.add(kernel.name);
    backend.execute(program, inputs, outputs, attributes, 'subgroupMatrix');
  };
  const matrix = spec(64, 64);
  run(matmulProgram, [matrix, matrix], {});
  run(gradWeightProgram, [matrix, matrix], {});
  const [image, window] = [spec(1, 8, 8, 64), [3, 3] as const];
  run(conv2dProgram, [image, spec(...window, 64, 64)], { padding: [1, 1] });
  run(convolutionGradWeight, [image, image], { kernel: window, padding: [1, 1] });
  expect([...names]).toEqual(expect.arrayContaining(KERNELS));
  await device.synchronize();
}

describe('kernels for matrix units', () => {
  it.each([
    ['f16', [16, 16, 16], 32],
    ['f16', [8, 8, 8], 32],
    ['f16', [16, 8, 16], 32],
    ['f16', [8, 16, 16], 32],
    ['f32', [8, 8, 8], 32],
    ['f16', [16, 16, 16], 64],
    ['f32', [16, 16, 16], 64],
  ] as const)('compile for %s in %j (lanes: %s)', async (type, form, lanes) => {
    const device = await nullDevice();
    expect(device.target.features.has(SUBGROUP_MATRIX)).toBe(true);
    await expect(compile(device, type, form, lanes)).resolves.toBeUndefined();
  });

  it('are checked there: a result of another shape is refused', async () => {
    const wrong: ShaderFiles = (path) =>
      packagedShaders(path).replace(
        'subgroup_matrix_result<f32, MATRIX_N, MATRIX_M>',
        'subgroup_matrix_result<f32, 8, 8>',
      );
    await expect(compile(await nullDevice(wrong), 'f16', [16, 16, 16])).rejects.toThrow(/did not compile/);
  });
});

describe('the form that is used', () => {
  const form = (componentType: string, M: number, N: number, K: number, resultComponentType = 'f32') => ({
    componentType,
    resultComponentType,
    M,
    N,
    K,
  });

  it('is the largest with float32 sums of each type', () => {
    const shapes = matrixShapes(
      [
        form('f16', 8, 8, 8),
        form('f16', 16, 16, 16),
        form('f16', 16, 16, 32, 'f16'),
        form('f32', 8, 8, 8),
        form('u8', 16, 16, 32),
      ],
      32,
    );
    expect(shapes).toEqual({
      f16: { m: 16, n: 16, k: 16, lanes: 32 },
      f32: { m: 8, n: 8, k: 8, lanes: 32 },
    });
  });

  it('is none where no form fits a quadrant, or four subgroups no workgroup', () => {
    expect(
      matrixShapes([form('f16', 64, 16, 16), form('f16', 16, 16, 64), form('f16', 32, 32, 16)], 32),
    ).toBeUndefined();
    expect(matrixShapes([form('f16', 16, 16, 16)], 128)).toBeUndefined();
    expect(matrixShapes([form('f16', 16, 16, 16)], 0)).toBeUndefined();
  });
});
