/** Tier: any adapter. A failure on a device ends in an error that says what failed, where and what to do; never in zeros. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Engine } from '../autograd/engine.ts';
import { Replay } from '../autograd/replay.ts';
import type { Tensor } from '../autograd/tensor.ts';
import { GmtlError } from '../errors.ts';
import { accumulateProgram } from '../ops/accumulate/program.ts';
import { clipGradValue } from '../optim/clipGradValue.ts';
import { GradientGuard, LOSS_SCALING } from '../optim/gradientGuard.ts';
import { SGD } from '../optim/sgd.ts';
import { GpuBackend } from '../ops/gpuBackend.ts';
import type { BoundBuffer } from './bindGroups.ts';
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

  it('names kernel, file and line of a shader that does not compile; what it was to compute stays undefined, and all else works', async () => {
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
    expect((await failure(() => target.mul(2))).message).toBe(error.message);
    expect(await failure(() => device.dispatch(prepared, [handle.bound]))).toMatchObject({ code: 'gpu/shader' });
    expect([...(await engine.tensor([1]).mul(2).data())]).toEqual([2]);
    await device.synchronize();
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

  it('plans with subgroups where workgroups of one and of several are what kernels take them for, and only there', async () => {
    await open(packagedShaders, 'gpu');
    expect(device.target.subgroupSize).toBeGreaterThan(0);
    device.destroy();
    await open((path) => packagedShaders(path).replace('u32(size', 'u32(SUBGROUPS == 1u && size'), 'gpu');
    expect(device.target.subgroupSize).toBe(0);
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

describe('a command that the GPU refuses', () => {
  /** Records one: x is bound to be read and to be written, by a call below those that check it. */
  const refuse = (engine: Engine, x: Tensor): void => {
    engine.backend.execute(accumulateProgram, [x.value, x.value], [], {});
  };
  const refused = {
    code: 'gpu/failure',
    message: expect.stringMatching(/refused a command: .*writable usage.*undefined: compute it anew/s),
  };

  it('leaves undefined what it writes and what follows from that, and nothing else', async () => {
    const { engine } = await open();
    const [x, untouched] = [engine.tensor([1, 2]), engine.tensor([5, 6])];
    refuse(engine, x);
    const follows = x.mul(untouched);
    engine.backend.flush?.();
    // Neither is its refusal known yet.
    const later = [follows.add(1), untouched.mul(3)];
    expect(await failure(() => x.data())).toMatchObject(refused);
    for (const tensor of [follows, later[0]]) {
      expect(await failure(() => tensor.data())).toMatchObject(refused);
      expect(await failure(() => untouched.add(tensor))).toMatchObject(refused);
    }
    expect([...(await later[1].data())]).toEqual([15, 18]);
    expect([...(await untouched.mul(2).data())]).toEqual([10, 12]);
    x.write([7, 8]);
    expect([...(await x.mul(untouched).data())]).toEqual([35, 48]);
    await device.synchronize();
    expect(device.failed).toBe(false);
  });

  it('leaves what is written in part undefined, such as the moments of an optimizer', async () => {
    const { engine } = await open();
    const parameter = engine.tensor([1, 2], [2], { requiresGrad: true });
    parameter.grad = engine.tensor([1, 1]);
    const optimizer = new SGD([parameter], { lr: 1, momentum: 0.5 });
    const saved = await optimizer.stateDict();
    const x = engine.tensor([0]);
    optimizer.step();
    refuse(engine, x);
    expect(await failure(() => optimizer.stateDict())).toMatchObject(refused);
    parameter.write([1, 2]);
    expect(await failure(() => optimizer.step())).toMatchObject(refused);
    optimizer.loadStateDict(saved);
    optimizer.step();
    expect([...(await parameter.data())]).toEqual([0, 1]);
  });

  it('does not spoil a read of something else in the same submit, and is told once to who waits', async () => {
    const { engine } = await open();
    const [x, untouched] = [engine.tensor([1, 2]), engine.tensor([5, 6])];
    refuse(engine, x);
    expect([...(await untouched.data())]).toEqual([5, 6]);
    expect(await failure(() => device.synchronize())).toMatchObject(refused);
    await device.synchronize();
  });

  it('does not give a read that goes again what was written, or moved in, meanwhile', async () => {
    const { engine } = await open();
    const [x, written, freed] = [engine.tensor([1, 2]), engine.tensor([5, 6]), engine.tensor([7, 8])];
    refuse(engine, x);
    const readings = [failure(() => written.data())];
    refuse(engine, engine.tensor([1]));
    readings.push(failure(() => freed.data()));
    written.write([9, 9]);
    freed.dispose();
    const next = engine.tensor([33, 44]);
    for (const error of await Promise.all(readings)) expect(error).toMatchObject(refused);
    expect([...(await next.data()), ...(await written.data())]).toEqual([33, 44, 9, 9]);
  });

  it('counts as undefined what was changed in place both before and after it, though it did not touch that; one side alone is as it was', async () => {
    const { engine } = await open();
    const [before, after, both, one, bad] = Array.from({ length: 5 }, () => engine.tensor([1, 1]));
    const add = (x: Tensor): unknown => engine.run(accumulateProgram, [x, one], {});
    for (const x of [before, both]) add(x);
    engine.backend.flush?.();
    refuse(engine, bad);
    engine.backend.flush?.();
    for (const x of [after, both]) add(x);
    expect(await failure(() => both.data())).toMatchObject(refused);
    expect((await failure(() => both.data())).message).toMatch(
      /what was changed before and after it until this was known/,
    );
    for (const x of [before, after]) expect([...(await x.data())]).toEqual([2, 2]);
    both.write([1, 1]);
    add(both);
    expect([...(await both.data())]).toEqual([2, 2]);
    // Once it was reported, changes on both sides are apart.
    for (const x of [before, after]) add(x);
    expect([...(await before.data()), ...(await after.data())]).toEqual([3, 3, 3, 3]);
  });

  it('reaches a captured step through the result of another one', async () => {
    const { engine } = await open();
    const x = engine.tensor([1, 2]);
    const first = await Replay.capture(engine, () => x.mul(2));
    const second = await Replay.capture(engine, () => first.result.add(1));
    refuse(engine, first.result);
    await failure(() => device.synchronize());
    expect(await failure(() => second.run())).toMatchObject(refused);
    first.run();
    second.run();
    expect([...(await second.result.data())]).toEqual([3, 5]);
  });

  it('right after a captured step leaves what the step wrote, and the step', async () => {
    const { engine } = await open();
    const [x, w, bad] = [engine.tensor([1, 2]), engine.tensor([1, 1]), engine.tensor([5, 6])];
    const step = await Replay.capture(engine, () => {
      engine.run(accumulateProgram, [w, x], {});
      return x.mul(2);
    });
    step.run();
    refuse(engine, bad);
    expect(await failure(() => bad.data())).toMatchObject(refused);
    expect([...(await step.result.data()), ...(await w.data())]).toEqual([2, 4, 3, 5]);
    step.run();
    expect([...(await w.data())]).toEqual([4, 7]);
  });

  it('is told with its own reason: the kernel that failed in it, in each submit, and no other', async () => {
    const { engine } = await open();
    const broken = (): ReturnType<GpuDevice['prepare']> =>
      device.prepare({ kernel: BROKEN, buffers: { out: 'out0' }, uniforms: {}, workgroups: [1, 1, 1] }, 'broken [1]');
    const boundOf = ({ value: { storage } }: Tensor): BoundBuffer => {
      if (storage.handle.kind !== 'gpu') throw new Error('not on the device');
      return storage.handle.bound;
    };
    const tensors = [engine.tensor([7]), engine.tensor([8])];
    const prepared = broken();
    for (const tensor of tensors) {
      device.dispatch(prepared, [boundOf(tensor)]);
      device.flush();
    }
    for (const tensor of tensors)
      expect(await failure(() => tensor.data())).toMatchObject({
        code: 'gpu/shader',
        message: expect.stringMatching(/notDefined/),
      });
    const capturing = failure(() =>
      device.captureAsync(() => device.dispatch(broken(), [boundOf(engine.tensor([1]))])),
    );
    expect((await capturing).code).toBe('gpu/shader');
    const x = engine.tensor([1, 2]);
    refuse(engine, x);
    expect(await failure(() => x.data())).toMatchObject(refused);
  });

  it('stops a captured step that reads it, until it is written; one that holds it has no result', async () => {
    const { engine } = await open();
    const x = engine.tensor([1, 2]);
    const step = await Replay.capture(engine, () => x.mul(2));
    refuse(engine, x);
    await failure(() => device.synchronize());
    expect(await failure(() => step.run())).toMatchObject(refused);
    x.write([3, 4]);
    step.run();
    expect([...(await step.result.data())]).toEqual([6, 8]);

    const y = engine.tensor([1, 2]);
    const broken = await Replay.capture(engine, () => {
      refuse(engine, y);
      return x.mul(2);
    });
    expect(await failure(() => broken.result.data())).toMatchObject(refused);
    expect(await failure(() => broken.run())).toMatchObject(refused);
    expect([...(await step.result.data())]).toEqual([6, 8]);
  });

  it('is not to be had by memory that is shared, which is refused before', async () => {
    const { engine } = await open();
    const x = engine.tensor([1, 2], [2], { requiresGrad: true });
    const view = x.detach();
    expect(await failure(() => Object.assign(x, { grad: view }))).toMatchObject({ code: 'autograd/gradient' });
    expect(await failure(() => new SGD([x, view], { lr: 1 }))).toMatchObject({ code: 'optim/duplicate' });
    expect(await failure(() => engine.run(accumulateProgram, [x, view], {}))).toMatchObject({ code: 'ops/alias' });
    // A gradient that is the one backward is given is summed with itself, and two parameters may have one.
    x.grad = engine.tensor([3, 4]);
    x.reshape([2]).backward(x.grad);
    const other = Object.assign(engine.tensor([0, 0]), { grad: x.grad });
    clipGradValue([x, other], 7);
    expect([...(await other.grad.data())]).toEqual([6, 7]);
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
