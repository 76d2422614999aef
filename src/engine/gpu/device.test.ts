/** Tier: any adapter. A failure on a device ends in an error that says what failed, where and what to do; never in zeros. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Engine } from '../autograd/engine.ts';
import { GmtlError } from '../errors.ts';
import { GradientGuard, LOSS_SCALING } from '../optim/gradientGuard.ts';
import { GpuBackend } from '../ops/gpuBackend.ts';
import { GpuDevice } from './device.ts';
import type { DeviceClass } from './kernel.ts';
import { kernel } from './shaderKernel.ts';
import { packagedShaders, type ShaderFiles } from './shaders.ts';
import { openAdapter } from '../node/open.ts';

const BROKEN_SHADER = `@group(0) @binding(1) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(1)
fn main() {
  out[0] = notDefined;
}
`;
const withBroken: ShaderFiles = (path) => (path === 'broken/kernel.wgsl' ? BROKEN_SHADER : packagedShaders(path));
const BROKEN = kernel('broken/kernel', withBroken);

let device: GpuDevice;

/** A device of its own for each test: most of these end it. */
async function open(shaders = withBroken, deviceClass?: DeviceClass): Promise<{ device: GpuDevice; engine: Engine }> {
  const opened = await openAdapter();
  device = await GpuDevice.open(opened.adapter, {
    deviceClass: deviceClass ?? (opened.kind === 'hardware' ? 'gpu' : 'software'),
    onDestroy: () => opened.release(),
    shaders,
  });
  return { device, engine: new Engine(new GpuBackend(device)) };
}

afterEach(() => {
  vi.restoreAllMocks();
  device.destroy();
});

async function failure(action: () => unknown): Promise<GmtlError> {
  try {
    await action();
  } catch (error) {
    expect(error).toBeInstanceOf(GmtlError);
    return error as GmtlError;
  }
  throw new Error('nothing was thrown');
}

describe('GpuDevice', () => {
  it('refuses a buffer beyond the adapter, naming the op, the shape and the limit, and goes on', async () => {
    const { engine } = await open();
    const { maxBufferSize, maxStorageBufferBindingSize } = device.target.limits;
    const limit = Math.min(maxBufferSize, maxStorageBufferBindingSize);
    const rows = Math.ceil(Math.sqrt(limit / 4)) + 1;
    const column = engine.tensor(new Float32Array(rows).fill(1), [rows, 1]);
    const row = engine.tensor(new Float32Array(rows).fill(2), [1, rows]);
    const error = await failure(() => column.mul(row));
    expect(error.code).toBe('gpu/buffer-too-large');
    expect(error.message).toContain(`mul [${rows}, ${rows}]`);
    expect(error.message).toContain(`at most ${limit}`);
    expect(error.message).toMatch(/lower the batch size or the image size/);
    // The device still works.
    expect([...(await column.slice(0, 0, 2).mul(3).data())]).toEqual([3, 3]);
  });

  it('names kernel, file and line of a shader that does not compile, and computes nothing more', async () => {
    const { engine } = await open();
    const target = engine.tensor([7]);
    const { handle } = target.value.storage;
    if (handle.kind !== 'gpu') throw new Error('not on the device');
    const prepared = device.prepare(
      { kernel: BROKEN, buffers: { out: 'out0' }, uniforms: {}, workgroups: [1, 1, 1] },
      'broken/kernel [1]',
    );
    device.dispatch(prepared, [handle.bound]);
    const error = await failure(() => target.data());
    expect(error.code).toBe('gpu/shader');
    expect(error.message).toMatch(/kernel broken\/kernel .*did not compile/);
    expect(error.message).toMatch(/shaders\/broken\/kernel\.wgsl:5:\d+ .*notDefined/);
    expect((await failure(() => engine.tensor([1]))).message).toBe(error.message);
  });

  it('is opened, without what it cannot be asked for, where a driver does not compile the question', async () => {
    const asked = ['probe/lanes.wgsl', 'movement/floatCast.wgsl'];
    const { engine } = await open(
      (path) => packagedShaders(path).replace(/fn main\(/, asked.includes(path) ? 'fn main(no: nowhere,' : '$&'),
      'gpu',
    );
    expect(device.target).toMatchObject({ subgroupSize: 0 });
    expect(device.target).not.toHaveProperty('subgroupMatrix');
    expect(device.losesInfinity).toBe(device.target.features.has('shader-f16'));
    expect([...(await engine.tensor([1, 2]).mul(2).data())]).toEqual([2, 4]);
  });

  it('says when the memory of the adapter is used up, for what and how much', async () => {
    const { engine } = await open();
    const noMemory = { message: 'out of memory' } as GPUError;
    const popErrorScope = vi.spyOn(device.device, 'popErrorScope').mockResolvedValue(noMemory);
    const tensor = engine.empty([1000, 3], { name: 'activations' });
    popErrorScope.mockRestore();
    const error = await failure(() => tensor.data());
    expect(error.code).toBe('gpu/out-of-memory');
    expect(error.message).toMatch(
      /no memory left for activations \[1000, 3\] \(\d+ bytes; \d+ held\): lower the batch size/,
    );
  });

  it('says that the device was lost, whatever is asked of it afterwards', async () => {
    const { engine } = await open();
    const tensor = engine.tensor([1, 2, 3]);
    device.device.destroy();
    for (const action of [() => tensor.data(), () => tensor.mul(2), () => device.synchronize()]) {
      const error = await failure(action);
      expect(error.code).toBe('gpu/device-lost');
      expect(error.message).toMatch(/the GPU device was lost .*continue from the last checkpoint/);
    }
  });
});

describe('float16 infinity', () => {
  const saturated: ShaderFiles = (path) => {
    const text = packagedShaders(path);
    return path === 'movement/floatCast.wgsl'
      ? text.replace('Result4(x[group])', 'Result4(clamp(vec4f(x[group]), vec4f(-65504.0), vec4f(65504.0)))')
      : text;
  };

  it.each([
    ['that overflows does not make, which refuses to scale losses', saturated, true],
    ['is kept', packagedShaders, false],
  ] as const)('%s', async (_, files, loses) => {
    const { engine } = await open(files, 'gpu');
    const weight = engine.tensor([1, 2], [2], { requiresGrad: true });
    const guard = () => new GradientGuard([weight], { lossScaling: LOSS_SCALING });
    // Without shader-f16 nothing overflows.
    const refuses = loses && device.target.features.has('shader-f16');
    expect(device.losesInfinity).toBe(refuses);
    if (refuses) expect(guard).toThrow(/does not make float16 numbers that overflow infinite.*train in float32/);
    else expect(guard).not.toThrow();
    expect(() => new GradientGuard([weight])).not.toThrow();
  });
});

describe('attributes that JSON writes alike', () => {
  it('keep plans of their own: infinite factors of either sign', async () => {
    const { engine } = await open();
    const one = engine.tensor([1]);
    const factors = [1 / 0, -1 / 0, 2];
    const products: number[] = [];
    for (const factor of factors) products.push(await one.mul(factor).item());
    expect(products[2]).toBe(2);
    // A WGSL implementation may assume that infinities do not occur, but not that both have the same sign.
    expect(products[0]).not.toBe(products[1]);
  });
});
