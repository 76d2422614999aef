/** Tier: no adapter. The multitask network's gradients, names and weights, on shapes alone or the float64 references. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { setEngine } from '../../engine/autograd/currentEngine.ts';
import { Engine } from '../../engine/autograd/engine.ts';
import { GmtlError } from '../../engine/errors.ts';
import { ReferenceBackend } from '../../engine/ops/referenceBackend.ts';
import { DryBackend } from '../../engine/ops/tapBackend.ts';
import { objective } from '../train/objective.ts';
import { CountWeighting } from '../train/weighting/index.ts';
import { GatedMultitaskNet } from './multitask.ts';
import { LOSS_DEFAULTS, TINY_NETWORK } from './testsupport.ts';

let previous: Engine | null = null;
let engine: Engine;

function use(backend: DryBackend | ReferenceBackend): void {
  engine = new Engine(backend, { seed: 3 });
  setEngine(engine);
}

beforeEach(() => {
  previous = setEngine(null);
});
afterEach(() => {
  setEngine(previous);
});

it('gives every parameter a gradient when both experts run', () => {
  use(new DryBackend());
  const model = new GatedMultitaskNet({ ...TINY_NETWORK, headDropout: 0.3, decoderDropout: 0.2, dropPath: 0.1 });
  const step = (segmentation: number[], classification: number[]): string[] =>
    engine.scope(() => {
      model.zeroGrad();
      const output = model.forward(engine.empty([4, 32, 32, 3]), { segmentation, classification });
      const { total } = objective(
        output,
        {
          task: engine.empty([4], { dtype: 'i32' }),
          masks: segmentation.length > 0 ? engine.empty([segmentation.length, 32, 32, 5]) : null,
          retinopathy: classification.length > 0 ? engine.empty([classification.length], { dtype: 'i32' }) : null,
          edema: classification.length > 0 ? engine.empty([classification.length], { dtype: 'i32' }) : null,
        },
        { segmentation, classification },
        LOSS_DEFAULTS,
        { posWeight: null, retinopathyWeights: null, edemaWeights: null },
        new CountWeighting(),
      );
      total.backward();
      return [...model.namedParameters()].filter(([, parameter]) => !parameter.grad).map(([name]) => name);
    });
  expect(step([0, 1], [2, 3])).toEqual([]);
  // An expert without images gets none, and nothing else goes without.
  const withoutMasks = step([], [0, 1, 2, 3]);
  expect(withoutMasks).not.toEqual([]);
  expect(withoutMasks.every((name) => name.startsWith('decoder.'))).toBe(true);
  expect(step([0, 1, 2, 3], []).every((name) => /^(retino|edema)\./.test(name))).toBe(true);
});

it('gives a state dict that loads back bitwise, into a network of another seed', async () => {
  use(new ReferenceBackend());
  const model = new GatedMultitaskNet(TINY_NETWORK);
  const state = await model.stateDict();
  const other = new GatedMultitaskNet(TINY_NETWORK);
  const name = 'decoder.blocks.0.up.weight';
  expect((await other.stateDict()).get(name)?.data).not.toEqual(state.get(name)?.data);
  const report = other.loadStateDict(state);
  expect(report.matched).toHaveLength(state.size);
  const loaded = await other.stateDict();
  expect([...loaded.keys()]).toEqual([...state.keys()]);
  for (const [key, { shape, data }] of state) {
    expect(loaded.get(key)?.shape, key).toEqual(shape);
    expect(loaded.get(key)?.data, key).toEqual(data);
  }
  // The published decoder's transposed convolutions are (in, out, k, k), its other kernels (out, in, k, k).
  expect(state.get(name)?.shape).toEqual([8, 6, 2, 2]);
  expect(state.get('decoder.blocks.0.conv.weight')?.shape).toEqual([6, 6 + 7, 3, 3]);
  expect(state.get('gate.3.weight')?.shape).toEqual([2, 5]);
});

it('refuses weights that do not fit, naming them, and writes nothing', async () => {
  use(new ReferenceBackend());
  const model = new GatedMultitaskNet(TINY_NETWORK);
  const before = await model.stateDict();
  const wrong = new Map([...before].map(([name, { shape, data }]) => [name, { shape, data: data.map((x) => x + 1) }]));
  wrong.delete('retino.0.bias');
  wrong.set('retino.9.bias', { shape: [1], data: new Float32Array(1) });
  wrong.set('edema.3.weight', { shape: [5, 3], data: new Float32Array(15) });
  let error: unknown;
  try {
    model.loadStateDict(wrong);
  } catch (caught) {
    error = caught;
  }
  expect(error).toBeInstanceOf(GmtlError);
  const { message } = error as GmtlError;
  expect(message).toContain('missing (1): retino.0.bias');
  expect(message).toContain('unknown (1): retino.9.bias');
  expect(message).toContain('edema.3.weight is [5, 3], not [3, 5]');
  expect(await model.stateDict()).toEqual(before);

  const partly = model.loadStateDict(wrong, { strict: false });
  expect(partly.missing).toEqual(['retino.0.bias']);
  expect(partly.unexpected).toEqual(['retino.9.bias']);
  expect(partly.mismatched.map(({ name }) => name)).toEqual(['edema.3.weight']);
  const after = await model.stateDict();
  expect(after.get('edema.3.weight')).toEqual(before.get('edema.3.weight'));
  expect(after.get('gate.0.bias')?.data).toEqual(before.get('gate.0.bias')?.data.map((x) => x + 1));
});
