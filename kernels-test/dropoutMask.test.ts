/** Tier: any adapter. Dropout's mask is a pure function of (seed, stream, element), the same on every adapter, forward and backward. */
import { beforeAll, describe, expect, it } from 'vitest';
import { Engine } from '../src/engine/autograd/engine.ts';
import { dropout, dropPath } from '../src/engine/ops/dropout/op.ts';
import { GpuBackend } from '../src/engine/ops/gpuBackend.ts';
import { uniformAt } from '../src/engine/tensor/random.ts';
import { closeDeviceAfterwards, testDevice } from './device.ts';

closeDeviceAfterwards();
let engine: Engine;
beforeAll(async () => {
  engine = new Engine(new GpuBackend(await testDevice()));
});

const kept = (data: ArrayLike<number>): boolean[] => Array.from(data, (value) => value !== 0);
const ones = (count: number): Float32Array => new Float32Array(count).fill(1);

describe('dropout mask', () => {
  it('equals uniformAt >= p to the bit, in forward and in backward', async () => {
    const [seed, stream, p] = [0xdead_beef, 0x8000_0001, 0.3];
    const x = engine.tensor(ones(4099), [4099], { requiresGrad: true });
    const out = engine.apply(dropout, [x, engine.tensor(new Uint32Array([seed, stream]))], { p });
    engine.backward(out, engine.tensor(ones(4099)));
    const want = Array.from({ length: 4099 }, (_, i) => uniformAt(seed, stream, i) >= Math.fround(p));
    expect(kept(await out.data())).toEqual(want);
    expect(kept((await x.grad?.data()) ?? [])).toEqual(want);
    // 4099 draws: five standard deviations are 0.036.
    const rate = want.filter((value) => value).length / want.length;
    expect(Math.abs(rate - (1 - p))).toBeLessThan(0.036);
  });

  it('changes with the content of the seed tensor, without new attributes', async () => {
    const state = engine.tensor(new Uint32Array([1, 0]));
    const x = engine.tensor(ones(256));
    const masks: boolean[][] = [];
    for (const seed of [
      [1, 0],
      [2, 0],
      [1, 1],
      [1, 0],
    ]) {
      state.write(new Uint32Array(seed));
      masks.push(kept(await engine.apply(dropout, [x, state], { p: 0.5 }).data()));
    }
    expect(masks[1]).not.toEqual(masks[0]);
    expect(masks[2]).not.toEqual(masks[0]);
    expect(masks[3]).toEqual(masks[0]);
  });

  it('drop path drops whole samples and scales the others by 1 / keep', async () => {
    const x = engine.tensor(ones(64 * 6), [64, 2, 3]);
    const out = await engine.apply(dropPath, [x, engine.tensor(new Uint32Array([5, 3]))], { p: 0.5 }).data();
    const want = Array.from({ length: 64 * 6 }, (_, i) => (uniformAt(5, 3, Math.floor(i / 6)) >= 0.5 ? 2 : 0));
    expect(Array.from(out)).toEqual(want);
  });
});
