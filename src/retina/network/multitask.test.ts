/** Tier: any adapter. The multitask network's gradient as a whole, and that an expert without images costs nothing. */
import { afterEach, describe, expect, it } from 'vitest';
import { closeDeviceAfterwards, testDevice } from '../../../kernels-test/device.ts';
import { setEngine } from '../../engine/autograd/currentEngine.ts';
import { Engine } from '../../engine/autograd/engine.ts';
import type { Tensor } from '../../engine/autograd/tensor.ts';
import type { Backend } from '../../engine/ops/backend.ts';
import { GpuBackend } from '../../engine/ops/gpuBackend.ts';
import { ReferenceBackend } from '../../engine/ops/referenceBackend.ts';
import { NetworkReplay } from '../predict/networkReplay.ts';
import { objective } from '../train/objective.ts';
import { CountWeighting } from '../train/weighting/index.ts';
import { Generator } from '../../engine/tensor/random.ts';
import type { DecoderNorm } from '../../engine/models/decoder.ts';
import { GatedMultitaskNet } from './multitask.ts';
import type { GradeFeatures, Routes } from './network.ts';
import { LOSS_DEFAULTS, TINY_NETWORK } from './testsupport.ts';
import { decodeMasks, findings } from './stagePool.ts';

closeDeviceAfterwards();
afterEach(() => {
  setEngine(null);
});

const SIDE = 32;
const ROWS = 3;
const BOTH: Routes = { segmentation: [0, 2], classification: [1, 2] };

function draw(seed: number, count: number): Float64Array {
  const generator = new Generator(seed);
  return Float64Array.from({ length: count }, () => generator.normal());
}

interface Bench {
  readonly engine: Engine;
  readonly model: GatedMultitaskNet;
  /** The objective with both experts, dropout and drop path on; for the masks of one step. */
  loss(): Tensor;
}

function build(
  backend: Backend,
  decoderNorm: DecoderNorm = 'layer',
  gradeFeatures: GradeFeatures = 'pooled',
  grades: readonly [number, number] = [4, 0],
): Bench {
  const engine = new Engine(backend, { seed: 5 });
  setEngine(engine);
  const model = new GatedMultitaskNet({
    ...TINY_NETWORK,
    decoderNorm,
    gradeFeatures,
    // Read without a gradient, as by graders of the masks alone.
    gateFeatures: gradeFeatures === 'masks' ? 'masks' : 'pooled',
    headDropout: 0.3,
    decoderDropout: 0.2,
    dropPath: 0.3,
  });
  model.random.setStep(7);
  // Zero biases put a ReLU whose inputs were all dropped exactly at its kink, where no derivative exists.
  let seed = 1000;
  for (const [name, parameter] of model.namedParameters()) {
    if (name.endsWith('.bias')) parameter.write(draw(seed++, parameter.size).map((x) => 0.1 * x));
  }
  const image = engine.tensor(draw(1, ROWS * SIDE * SIDE * 3), [ROWS, SIDE, SIDE, 3]);
  const targets = {
    task: engine.tensor(Int32Array.of(0, 1, 1)),
    masks: engine.tensor(
      draw(2, 2 * SIDE * SIDE * 5).map((x) => (x > 1 ? 1 : 0)),
      [2, SIDE, SIDE, 5],
    ),
    retinopathy: engine.tensor(Int32Array.from(grades)),
    edema: engine.tensor(Int32Array.of(-1, 2)),
  };
  const constants = {
    posWeight: engine.tensor([1, 2, 1, 3, 1]),
    retinopathyWeights: engine.tensor([1, 2, 1, 1, 3]),
    edemaWeights: engine.tensor([1, 2, 0.5]),
  };
  const loss = (): Tensor =>
    objective(model.forward(image, BOTH), targets, BOTH, LOSS_DEFAULTS, constants, new CountWeighting()).total;
  return { engine, model, loss };
}

async function gradients({ engine, model, loss }: Bench): Promise<Map<string, ArrayLike<number>>> {
  engine.scope(() => loss().backward());
  const found = new Map<string, ArrayLike<number>>();
  for (const [name, parameter] of model.namedParameters()) {
    if (!parameter.grad) throw new Error(`${name} got no gradient`);
    found.set(name, await engine.backend.download(parameter.grad.value));
  }
  return found;
}

describe.each([
  ['layer', 'pooled'],
  ['batch', 'pooled'],
  ['none', 'pooled'],
  ['batch', 'stages'],
  ['layer', 'findings'],
  ['batch', 'masks'],
] as const)('the gradient of the whole objective (decoder norm: %s, graded by: %s)', (norm, gradeFeatures) => {
  it('is its directional derivative (float64 references, central differences)', async () => {
    const bench = build(new ReferenceBackend(), norm, gradeFeatures);
    const { engine, model } = bench;
    const analytic = await gradients(bench);
    const parameters = [...model.namedParameters()];
    const start = new Map<string, Float64Array>();
    for (const [name, parameter] of parameters) {
      start.set(name, (await engine.backend.download(parameter.value)) as Float64Array);
    }
    const at = async (direction: ReadonlyMap<string, Float64Array>, step: number): Promise<number> => {
      for (const [name, parameter] of parameters) {
        const moves = direction.get(name);
        parameter.write((start.get(name) as Float64Array).map((x, i) => x + step * (moves ? moves[i] : 0)));
      }
      const loss = engine.noGrad(() => engine.scope(bench.loss));
      const [value] = await engine.backend.download(loss.value);
      loss.dispose();
      return value;
    };
    // The parts on their own, so that a small wrong gradient is not lost beside large ones; then everything at once. Graders of the masks
    // alone take them as given: what shapes the masks has a gradient that leaves a part of the objective out, and no directional derivative.
    const shapesMasks = ['trunk.stem', 'trunk.stages.1', 'trunk.stages.3', 'decoder', ''];
    const parts = [
      ...(gradeFeatures === 'masks' ? [] : shapesMasks),
      'gate',
      'retino',
      ...(['stages', 'findings'].includes(gradeFeatures) ? ['grader'] : []),
    ];
    for (const [index, part] of parts.entries()) {
      const direction = new Map<string, Float64Array>();
      let seed = 100 * (index + 1);
      for (const [name, parameter] of parameters) {
        if (name.startsWith(part)) direction.set(name, draw(seed++, parameter.size));
      }
      let expected = 0;
      for (const [name, moves] of direction) {
        const gradient = analytic.get(name) as ArrayLike<number>;
        expected += moves.reduce((sum, move, i) => sum + move * gradient[i], 0);
      }
      // Small enough that hardly any ReLU changes sides, large enough for float64's rounding of a loss near 3.
      const step = 1e-7;
      const numeric = ((await at(direction, step)) - (await at(direction, -step))) / (2 * step);
      expect(Math.abs(expected), part).toBeGreaterThan(1e-4);
      expect(Math.abs(numeric - expected) / Math.abs(expected), `direction within '${part}'`).toBeLessThan(1e-4);
    }
  });

  it.runIf(gradeFeatures === 'masks')('leaves the masks to their own targets, whatever the grades are', async () => {
    const of = async (grades: readonly [number, number]): Promise<Map<string, ArrayLike<number>>> =>
      gradients(build(new ReferenceBackend(), norm, gradeFeatures, grades));
    const one = await of([4, 0]);
    const other = await of([1, 2]);
    for (const [name, gradient] of one) {
      if (/^(trunk|decoder)/.test(name)) expect(gradient, name).toEqual(other.get(name));
    }
    const heads = [...one.keys()].filter((name) => name.startsWith('retino'));
    expect(heads).not.toEqual([]);
    for (const name of heads) expect(one.get(name), name).not.toEqual(other.get(name));
  });

  it('on the adapter is the reference gradient, for every parameter', async () => {
    const reference = build(new ReferenceBackend(), norm, gradeFeatures);
    const want = await gradients(reference);
    const bench = build(new GpuBackend(await testDevice()), norm, gradeFeatures);
    const got = await gradients(bench);
    expect([...got.keys()]).toEqual([...want.keys()]);
    const square = (data: ArrayLike<number>): number => Array.from(data).reduce((sum, x) => sum + x * x, 0);
    const whole = Math.sqrt([...want.values()].reduce((sum, data) => sum + square(data), 0));
    let small = 0;
    for (const [name, expected] of want) {
      const found = got.get(name) as ArrayLike<number>;
      let error = 0;
      for (let i = 0; i < expected.length; i++) {
        error += (found[i] - expected[i]) ** 2;
      }
      const size = Math.sqrt(square(expected));
      if (size < 1e-12 * whole) small++;
      // float32 through some 40 layers: rounding adds up to a few 1e-6; 1e-4 leaves room for sums that cancel. A bias before batch
      // normalization has no effect: its gradient is rounding alone, measured against the gradient as a whole.
      expect(Math.sqrt(error), name).toBeLessThan(1e-4 * size + 1e-6 * whole);
    }
    expect(small).toBe(norm === 'batch' ? 4 : 0);
  });
});

describe('findings', () => {
  it('are the largest logit and the share of the image, of each structure', async () => {
    const engine = new Engine(new ReferenceBackend());
    // Two pixels, two structures.
    const logits = engine.tensor([8, -100, 0, -100], [1, 1, 2, 2]);
    const [sureOne, sureNone, shareOne, shareNone] = await findings(logits).data();
    const probability = 1 / (1 + Math.exp(-8));
    expect(sureOne).toBeCloseTo(2, 12);
    expect(sureNone).toBeCloseTo(-25, 12);
    expect(shareOne).toBeCloseTo(Math.log((probability + 0.5) / 2 + 1e-3) + 5, 6);
    expect(shareNone).toBeCloseTo(Math.log(1e-3) + 5, 6);
  });

  it('of an image do not depend on which others have their masks read', () => {
    const engine = new Engine(new ReferenceBackend());
    const rows: number[][] = [];
    const decode = (wanted: readonly number[]) => {
      rows.push([...wanted]);
      return engine.tensor([...wanted], [wanted.length, 1, 1, 1]);
    };
    const { segmented, graded } = decodeMasks({ segmentation: [3, 1], classification: [2, 3] }, true, null, decode);
    expect(segmented?.value.spec.shape).toEqual([2, 1, 1, 1]);
    expect(rows).toEqual([[1, 2, 3]]);
    return Promise.all([
      expect(segmented?.data()).resolves.toEqual(Float32Array.of(3, 1)),
      expect(graded?.data()).resolves.toEqual(Float32Array.of(2, 3)),
    ]);
  });

  it('are read where only grades are asked for, and masks are not given', () => {
    const { engine, model } = build(new ReferenceBackend(), 'layer', 'findings');
    const image = engine.tensor(draw(1, ROWS * SIDE * SIDE * 3), [ROWS, SIDE, SIDE, 3]);
    const output = model.forward(image, { segmentation: [], classification: [0, 2] });
    expect(output.maskLogits).toBeNull();
    expect(output.retinopathyLogits?.shape).toEqual([2, 5]);
    expect(() => decodeMasks({ segmentation: [], classification: [1] }, false, null, () => image)).not.toThrow();
    expect(decodeMasks({ segmentation: [], classification: [1] }, false, null, () => image).graded).toBeNull();
  });
});

describe('routing', () => {
  const routes: Record<string, Routes> = {
    segmentation: { segmentation: [0, 1, 2], classification: [] },
    classification: { segmentation: [], classification: [0, 1, 2] },
    both: { segmentation: [0, 1, 2], classification: [0, 1, 2] },
    none: { segmentation: [], classification: [] },
  };

  it('runs only the expert an image is sent to: programs and dispatches', async () => {
    const device = await testDevice();
    const { engine, model } = build(new GpuBackend(device));
    model.eval();
    const image = engine.tensor(draw(1, ROWS * SIDE * SIDE * 3), [ROWS, SIDE, SIDE, 3]);
    const parametersOf = (prefix: string): Set<unknown> =>
      new Set([...model.namedParameters()].filter(([name]) => name.startsWith(prefix)).map(([, p]) => p.value.storage));
    const decoder = parametersOf('decoder.');
    const heads = new Set([...parametersOf('retino.'), ...parametersOf('edema.')]);
    const seen: Record<string, { programs: number; dispatches: number; decoder: number; heads: number }> = {};
    for (const [name, route] of Object.entries(routes)) {
      const before = device.counts.dispatches;
      const count = { programs: 0, dispatches: 0, decoder: 0, heads: 0 };
      const outputs = engine.noGrad(() =>
        engine.scope(() =>
          engine.tapped(
            {
              after: ({ inputs }) => {
                count.programs++;
                if (inputs.some(({ storage }) => decoder.has(storage))) count.decoder++;
                if (inputs.some(({ storage }) => heads.has(storage))) count.heads++;
              },
            },
            () => model.forward(image, route),
          ),
        ),
      );
      count.dispatches = device.counts.dispatches - before;
      seen[name] = count;
      expect(outputs.maskLogits === null).toBe(route.segmentation.length === 0);
      expect(outputs.retinopathyLogits === null).toBe(route.classification.length === 0);
      expect(outputs.edemaLogits === null).toBe(route.classification.length === 0);
    }
    const { segmentation, classification, both, none } = seen;
    // Four blocks of two convolutions and a norm, and the head; two perceptrons of two layers.
    expect(segmentation).toMatchObject({ decoder: 13, heads: 0 });
    expect(classification).toMatchObject({ decoder: 0, heads: 4 });
    expect(both).toMatchObject({ decoder: 13, heads: 4 });
    expect(none).toMatchObject({ decoder: 0, heads: 0 });
    for (const key of ['programs', 'dispatches'] as const) {
      expect(both[key] - none[key]).toBe(segmentation[key] - none[key] + (classification[key] - none[key]));
      expect(segmentation[key] - none[key]).toBeGreaterThanOrEqual(13);
      expect(classification[key] - none[key]).toBeGreaterThanOrEqual(4);
    }
    await device.synchronize();
  });

  it('gives a row the same result whatever the other rows are routed to', async () => {
    const { engine, model } = build(new GpuBackend(await testDevice()));
    const images = Float32Array.from(draw(1, ROWS * SIDE * SIDE * 3));
    const replay = new NetworkReplay(engine, model, 'the network');
    const both = await replay.predict(images, ROWS, 'both');
    const masks = await replay.predict(images, ROWS, 'segmentation');
    const grades = await replay.predict(images, ROWS, 'classification');
    const routed = await replay.predict(images, ROWS, 'gate');
    for (let row = 0; row < ROWS; row++) {
      expect(both[row].masks).toHaveLength(SIDE * SIDE * 5);
      expect(masks[row]).toMatchObject({ retinopathy: null, edema: null });
      expect(grades[row].masks).toBeNull();
      expect(masks[row].masks).toEqual(both[row].masks);
      expect(grades[row].retinopathy).toEqual(both[row].retinopathy);
      expect(grades[row].edema).toEqual(both[row].edema);
      const graded = routed[row].gate[1] > routed[row].gate[0];
      expect(routed[row].masks === null).toBe(graded);
      expect(routed[row].retinopathy === null).toBe(!graded);
      expect(routed[row].masks ?? routed[row].retinopathy).toEqual(graded ? both[row].retinopathy : both[row].masks);
    }
    const live = engine.backend.statistics().liveBuffers;
    await replay.predict(images, ROWS, 'gate');
    expect(engine.backend.statistics().liveBuffers).toBe(live);
    expect(model.training).toBe(true);
  });

  it('answers runs that are handed over before the first is read as it answers them one by one', async () => {
    const { engine, model } = build(new GpuBackend(await testDevice()));
    const replay = new NetworkReplay(engine, model, 'the network');
    const images = [2, 3, 4, 5, 6, 7].map((seed) => Float32Array.from(draw(seed, ROWS * SIDE * SIDE * 3)));
    const choices = ['both', 'both', 'gate', 'segmentation', 'classification', 'both'] as const;
    const alone = [];
    for (const [index, image] of images.entries()) alone.push(await replay.predict(image, ROWS, choices[index]));
    expect(alone[0]).not.toEqual(alone[1]);
    const spoilt = images[0].slice().fill(Number.NaN);
    const [together, refused] = await Promise.all([
      Promise.all(images.map((image, index) => replay.predict(image, ROWS, choices[index]))),
      replay.predict(spoilt, ROWS, 'both').catch((error: unknown) => error),
    ]);
    expect(together).toEqual(alone);
    expect(refused).toMatchObject({ code: 'infer/not-finite' });
    expect(await replay.predict(images[5], ROWS, 'both')).toEqual(alone[5]);
  });
});
