/** Asks a GPU once whether numbers past float16's largest become infinite there, which the scaling of losses looks for. */
import type { BoundBuffer, GpuDevice } from './device.ts';
import type { StorageFormat } from './kernel.ts';
import { kernel } from './shaderKernel.ts';

/** Whether float32 → float16 → float32 makes infinity of what overflows: WGSL leaves open what such a conversion gives. Needs shader-f16. */
export async function keepsHalfInfinity(device: GpuDevice): Promise<boolean> {
  const given = Float32Array.of(70_000, -1e30, 65_504, 1);
  const [from, half, back] = ['numbers', 'float16', 'float32'].map((name): BoundBuffer => {
    return { pooled: device.acquire(16, `${name} of the probe for infinity`), bytes: 16 };
  });
  const cast = (storage: StorageFormat, result: StorageFormat, buffers: readonly BoundBuffer[]): void =>
    device.dispatch(
      device.prepare(
        {
          ...{ kernel: kernel('movement/floatCast'), storage, result, workgroups: [1, 1, 1] },
          ...{ buffers: { x: 'in0', out: 'out0' }, uniforms: { size: 4, stride: 64 } },
        },
        'the probe for float16 infinity',
      ),
      buffers,
    );
  try {
    device.write(from.pooled, given);
    cast(undefined, 'f16', [from, half]);
    cast('f16', undefined, [half, back]);
    const kept = new Float32Array(await device.read(back.pooled, 16));
    return kept[0] === Infinity && kept[1] === -Infinity && kept[2] === 65_504 && kept[3] === 1;
  } finally {
    for (const { pooled } of [from, half, back]) device.bufferSource.release(pooled);
  }
}
