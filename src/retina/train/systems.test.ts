/** Tier: no adapter, slow. Whole checkpoints of the two published systems, as PyTorch saved them (fixtures/make_systems.py), give PyTorch's outputs. */
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { setEngine } from '../../engine/autograd/currentEngine.ts';
import { Engine } from '../../engine/autograd/engine.ts';
import { exportOnnx } from '../../engine/onnx/export.ts';
import { ReferenceBackend } from '../../engine/ops/referenceBackend.ts';
import { GatedMultitaskNet } from '../network/multitask.ts';
import type { MultitaskNet } from '../network/network.ts';
import { RoutedUnet } from '../network/routedUnet.ts';
import { initFromFile } from './init.ts';

const path = (name: string): string => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
type Golden = Record<'gate' | 'retinopathy' | 'masks', number[]> & { edema?: number[] };
const goldens = JSON.parse(readFileSync(path('systems.json'), 'utf8')) as Record<'system-a' | 'system-b', Golden>;

let engine: Engine;
let folder: string;
beforeAll(async () => {
  engine = new Engine(new ReferenceBackend(), { seed: 1 });
  setEngine(engine);
  folder = await mkdtemp(join(tmpdir(), 'gmtl-systems-'));
});
afterAll(async () => {
  setEngine(null);
  await rm(folder, { recursive: true });
});

/** The architecture of preset convnext-gated, narrow. */
const systemB = (): MultitaskNet =>
  new GatedMultitaskNet({
    ...{ masks: 5, grades: 'both', ordinal: false, trunk: { depths: [1, 1, 1, 1], dims: [8, 12, 16, 20] } },
    ...{ dropPath: 0.1, headDropout: 0.3, decoderDropout: 0.2, decoderChannels: [12, 10, 8, 6], decoderNorm: 'none' },
    ...{ skipConnections: false, headNorm: false, maskPrior: 0.5, layerScaleInit: 1e-6, seed: 1 },
    ...{ gateHidden: 9, retinopathyHidden: 7, edemaHidden: 5 },
  });

/** The architecture of preset resnet-unet-disc, narrow. */
const systemA = (): MultitaskNet =>
  new RoutedUnet({
    ...{ masks: 1, grades: 'retinopathy', ordinal: false, classifier: 'linear', seed: 1 },
    ...{ encoder: { depths: [1, 1, 1, 1], widths: [8, 12, 16, 20] }, channels: [12, 10, 8, 6, 4] },
    ...{ routerDropout: 0.2, expertDropout: 0.2 },
  });

const ROWS = 2;
const SIDE = 64;

async function outputsOf(net: MultitaskNet): Promise<Golden> {
  net.eval();
  const plane = SIDE * SIDE;
  const planes = Float32Array.from({ length: ROWS * 3 * plane }, (_, index) =>
    Math.sin(Math.fround(index * Math.fround(0.37))),
  );
  const nchw = engine.tensor(planes, [ROWS, 3, SIDE, SIDE]);
  const rows = [0, 1];
  const output = engine.noGrad(
    () =>
      net.eval() &&
      (net as MultitaskNet).forward(nchw.permute([0, 2, 3, 1]), { segmentation: rows, classification: rows }),
  );
  const read = async (tensor: { data(): Promise<ArrayLike<number>> } | null): Promise<number[]> =>
    tensor ? Array.from(await tensor.data()) : [];
  return {
    gate: await read(output.gateLogits),
    retinopathy: await read(output.retinopathyLogits),
    edema: await read(output.edemaLogits),
    masks: (await read(output.maskLogits)).filter((_, index) => index % 97 === 0),
  };
}

function expectClose(got: Golden, want: Golden): void {
  for (const [name, values] of Object.entries(want) as [keyof Golden, number[]][]) {
    const found = got[name] ?? [];
    expect(found.length, name).toBe(values.length);
    const furthest = Math.max(...values.map((value, index) => Math.abs(value - found[index])));
    expect(furthest, name).toBeLessThan(1e-4);
  }
}

describe.each([
  ['system-a', systemA],
  ['system-b', systemB],
] as const)('a checkpoint of %s', (name, build) => {
  it('loads whole, and gives the outputs that PyTorch gives', async () => {
    const net = build();
    const report = await initFromFile(net, path(`${name}.pth`));
    expect(report.rows.filter(({ status }) => status !== 'loaded')).toEqual([]);
    expectClose(await outputsOf(net), goldens[name]);
  });

  it('goes on as an ONNX model, whose initializers load again', async () => {
    const net = build();
    await initFromFile(net, path(`${name}.pth`));
    const rows = [0, 1];
    const model = await exportOnnx(net, {
      inputs: [{ name: 'x', shape: [ROWS, SIDE, SIDE, 3] }],
      forward: (x) => ({ ...net.forward(x, { segmentation: rows, classification: rows }) }),
    });
    const file = join(folder, `${name}.onnx`);
    writeFileSync(file, model);
    const again = build();
    const report = await initFromFile(again, file);
    const missing = report.rows.filter(({ status }) => status === 'missing').map((row) => row.name ?? '');
    // Counters of batches are not part of a forward pass.
    expect(missing.filter((one) => !one.endsWith('num_batches_tracked'))).toEqual([]);
    expectClose(await outputsOf(again), goldens[name]);
    await expect(initFromFile(again, cut(file))).rejects.toMatchObject({ code: 'onnx/refused' });
  });
});

function cut(file: string): string {
  const short = file.replace('.onnx', '-cut.onnx');
  writeFileSync(short, readFileSync(file).subarray(0, 5000));
  return short;
}
