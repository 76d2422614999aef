/**
 * Tier: any adapter. Files of torchvision's models under torchvision's, timm's and the original names, loaded into gmtl's, give torchvision's
 * logits (src/engine/models/pretrained/fixtures); and what is refused.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { closeDeviceAfterwards, testDevice } from '../../../kernels-test/device.ts';
import { setEngine } from '../../engine/autograd/currentEngine.ts';
import { Engine } from '../../engine/autograd/engine.ts';
import type { Tensor } from '../../engine/autograd/tensor.ts';
import { encodeSafetensors, type StoredTensor } from '../../engine/io/safetensors.ts';
import { writeSafetensors } from '../../engine/node/safetensorsFile.ts';
import { ConvNeXt, convnext } from '../../engine/models/convnext.ts';
import { GatedMultitaskNet } from '../network/multitask.ts';
import {
  type Convention,
  elementsOf,
  type GoldenModel,
  type Goldens,
  inputOf,
  readGoldens,
  storedAs,
} from '../../engine/models/pretrained/testsupport.ts';
import { resnet } from '../../engine/models/resnet.ts';
import { TINY_NETWORK } from '../network/testsupport.ts';
import { Unet } from '../../engine/models/unet.ts';
import type { Module } from '../../engine/nn/module.ts';
import { GpuBackend } from '../../engine/ops/gpuBackend.ts';
import { ReferenceBackend } from '../../engine/ops/referenceBackend.ts';
import { saveCheckpoint } from '../run/checkpoint.ts';
import { formatInitReport, initFromFile } from './init.ts';

closeDeviceAfterwards();

let goldens: Goldens;
let folder: string;
beforeAll(async () => {
  goldens = await readGoldens();
  folder = await mkdtemp(join(tmpdir(), 'gmtl-init-'));
});
afterAll(async () => {
  setEngine(null);
  await rm(folder, { recursive: true, force: true });
});

async function write(name: string, tensors: ReadonlyMap<string, StoredTensor>): Promise<string> {
  const path = join(folder, name);
  await writeSafetensors(path, tensors, { format: 'pt' });
  return path;
}

/** The classifier applied here, so that a trunk without one is held against the same logits: pooled [N, C] → [N][classes]. */
function classify(model: GoldenModel, pooled: ArrayLike<number>, names: { weight: string; bias: string }): number[] {
  const find = (name: string): Float32Array => {
    const tensor = model.tensors.find(({ timm }) => timm === name);
    if (!tensor) throw new Error(`the goldens have no ${name}`);
    return elementsOf(tensor);
  };
  const [weight, bias] = [find(names.weight), find(names.bias)];
  const channels = weight.length / bias.length;
  return model.logits.flatMap((_, row) =>
    [...bias].map((start, output) => {
      let sum = start;
      for (let c = 0; c < channels; c++) sum += weight[output * channels + c] * pooled[row * channels + c];
      return sum;
    }),
  );
}

/** Largest difference from the golden logits. They lie within 4 of 0. */
function furthest(model: GoldenModel, logits: ArrayLike<number>): number {
  const want = model.logits.flat();
  expect(logits.length).toBe(want.length);
  return Math.max(...want.map((value, index) => Math.abs(value - logits[index])));
}
/** Float32 against float64: 2.4e-6 at most on SwiftShader and on lavapipe. */
const BOUND = 2e-5;

async function infer(module: Module, engine: Engine, forward: (x: Tensor) => Tensor): Promise<ArrayLike<number>> {
  const [n, c, height, width] = goldens.inputShape;
  module.eval();
  const x = engine.tensor(inputOf(goldens), [n, height, width, c]);
  const y = engine.noGrad(() => forward(x));
  const data = await y.data();
  y.dispose();
  x.dispose();
  return data;
}

describe('weights of other projects give their logits here', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = new Engine(new GpuBackend(await testDevice()), { seed: 5 });
    // Drawing tiny's 28 M normal numbers takes 6 s, and all of them are overwritten. Heads draw uniform ones, as ever.
    Object.defineProperty(engine.generator, 'normal', { value: () => 0.01 });
  });
  beforeEach(() => {
    setEngine(engine);
  });

  const cases: readonly [Convention, string, string][] = [
    ['torchvision', '', 'torchvision'],
    ['timm', '', 'timm'],
    ['original', 'model.', 'original (facebookresearch/ConvNeXt)'],
  ];
  it.each(cases)('ConvNeXt atto under the names of %s, prefix "%s"', async (convention, prefix, title) => {
    const golden = goldens.models.convnext_atto;
    const file = await write(`atto-${convention}.safetensors`, storedAs(golden, convention, { prefix }));
    const net = convnext('atto', { classes: goldens.classes });
    const report = await initFromFile(net, file);
    expect(report.naming).toBe(title);
    expect(report.filePrefix).toBe(prefix);
    expect(report.source.title).toMatch(/^ConvNeXt atto /);
    expect(report.rows).toHaveLength(golden.tensors.length);
    expect(report.rows.filter(({ status }) => status !== 'loaded')).toEqual([]);
    expect(report.loadedElements).toBe(net.parameterCount());
    expect(furthest(golden, await infer(net, engine, (x) => net.forward(x)))).toBeLessThan(BOUND);
    net.dispose();
  });

  it('ConvNeXt tiny of torchvision', async () => {
    const golden = goldens.models.convnext_tiny;
    const file = await write('tiny.safetensors', storedAs(golden, 'torchvision'));
    const net = convnext('tiny', { classes: goldens.classes });
    expect((await initFromFile(net, file)).rows.every(({ status }) => status === 'loaded')).toBe(true);
    expect(furthest(golden, await infer(net, engine, (x) => net.forward(x)))).toBeLessThan(BOUND);
    net.dispose();
  });

  it('ResNet-18 of torchvision and timm, with a classifier, and as the encoder of a U-Net', async () => {
    const golden = goldens.models.resnet18;
    const file = await write('resnet18.safetensors', storedAs(golden, 'torchvision', { prefix: 'module.' }));
    const net = resnet('resnet18', { classes: goldens.classes });
    const report = await initFromFile(net, file);
    expect(report.rows.every(({ status }) => status === 'loaded')).toBe(true);
    expect(furthest(golden, await infer(net, engine, (x) => net.forward(x)))).toBeLessThan(BOUND);
    expect(await net.bn1.num_batches_tracked.item()).toBe(1234);
    net.dispose();

    const unet = new Unet({ encoder: 'resnet18', classes: 1, decoderChannels: [8, 8, 8, 8, 8] });
    const untouched = await unet.decoder.stateDict();
    const inUnet = await initFromFile(unet, file);
    expect(inUnet.target.prefix).toBe('encoder.');
    const skipped = inUnet.rows.filter(({ status }) => status === 'skipped');
    expect(skipped.map(({ fileName, reason }) => [fileName, reason])).toEqual([
      ['module.fc.weight', 'the classifier has 7 outputs; this network has its own heads'],
      ['module.fc.bias', 'the classifier has 7 outputs; this network has its own heads'],
    ]);
    const missing = inUnet.rows.filter(({ status }) => status === 'missing');
    expect(missing.every(({ name }) => /^(decoder|segmentation_head)\./.test(name ?? ''))).toBe(true);
    expect(await unet.decoder.stateDict()).toEqual(untouched);
    const pooled = await infer(unet, engine, (x) => unet.encoder.forwardFeatures(x)[4].mean([1, 2]));
    const logits = classify(golden, pooled, { weight: 'fc.weight', bias: 'fc.bias' });
    expect(furthest(golden, logits)).toBeLessThan(BOUND);
    unet.dispose();
  });

  it('ConvNeXt as the trunk of the gated network, and from there to another one', async () => {
    const golden = goldens.models.convnext_atto;
    const file = await write('original.safetensors', storedAs(golden, 'original'));
    const options = {
      ...TINY_NETWORK,
      trunk: 'atto',
      layerScaleInit: 1e-6,
      masks: 5,
      grades: 'both',
      ordinal: false,
    } as const;
    const net = new GatedMultitaskNet(options);
    const report = await initFromFile(net, file);
    const names = { weight: 'head.fc.weight', bias: 'head.fc.bias' };
    const pool = async (from: GatedMultitaskNet): Promise<number[]> =>
      classify(golden, await infer(from, engine, (x) => from.trunk.pool(from.trunk.forwardFeatures(x)[3])), names);
    expect(furthest(golden, await pool(net))).toBeLessThan(BOUND);
    const table = formatInitReport(report);
    expect(table).toContain('original.safetensors: ConvNeXt atto (depths 2, 2, 6, 2; widths 40, 80, 160, 320)');
    expect(table).toMatch(/loaded 126 tensors \(3,374,520 numbers\); \d+ missing, 2 skipped, 0 of another shape/);
    expect(table).toMatch(/^trunk\.stages\.2 +58$/m);
    expect(table).toContain(
      'skipped: the classifier has 7 outputs; this network has its own heads: head.weight [7, 320], head.bias [7]',
    );
    expect(formatInitReport(report, { verbose: true })).toMatch(
      /^stages\.2\.5\.pwconv1\.weight +trunk\.stages\.2\.blocks\.5\.mlp\.fc1\.weight +\[640, 160\] +loaded +reshaped to \[640, 160, 1, 1\]$/m,
    );

    // gmtl's own file: heads too, where names and shapes are the same; another number of hidden units keeps its own.
    const own = await write(
      'own.safetensors',
      new Map([...(await net.stateDict())].map(([name, tensor]) => [name, { dtype: 'F32', ...tensor }])),
    );
    const other = new GatedMultitaskNet({ ...options, seed: 99, edemaHidden: 6 });
    const again = await initFromFile(other, own);
    expect(again.filePrefix).toBe('trunk.');
    const different = again.rows.filter(({ status }) => status !== 'loaded');
    expect(different.map(({ name, status }) => `${name} ${status}`)).toEqual([
      'edema.0.weight mismatch',
      'edema.0.bias mismatch',
      'edema.3.weight mismatch',
    ]);
    expect((await other.stateDict()).get('gate.0.weight')).toEqual((await net.stateDict()).get('gate.0.weight'));
    expect(furthest(golden, await pool(other))).toBeLessThan(BOUND);
    net.dispose();
    other.dispose();
  });
});

describe('files that are refused, and those that are not', () => {
  beforeEach(() => {
    setEngine(new Engine(new ReferenceBackend(), { seed: 5 }));
  });

  const small = (): ConvNeXt => new ConvNeXt({ depths: [1, 1, 1, 1], dims: [4, 6, 7, 8], classes: 0 });
  const stored = async (net: Module): Promise<Map<string, StoredTensor>> =>
    new Map([...(await net.stateDict())].map(([name, tensor]) => [name, { dtype: 'F32', ...tensor }]));
  const code = (expected: string): object => expect.objectContaining({ code: expected });

  it('refuses a NaN, an infinity and a negative variance, naming the tensor, and writes nothing', async () => {
    const net = small();
    const before = await net.stateDict();
    for (const [bad, name] of [
      [Number.NaN, 'stages.1.blocks.0.mlp.fc1.weight'],
      [Number.POSITIVE_INFINITY, 'stem.0.bias'],
    ] as const) {
      const tensors = await stored(new ConvNeXt({ depths: [1, 1, 1, 1], dims: [4, 6, 7, 8], classes: 0 }));
      const good = tensors.get(name);
      if (!good) throw new Error(name);
      tensors.set(name, {
        ...good,
        data: Float32Array.from(good.data as Float32Array, (value, at) => (at === 3 ? bad : value)),
      });
      const file = await write('bad.safetensors', tensors);
      await expect(initFromFile(net, file)).rejects.toThrow(`bad.safetensors: tensor ${name} has ${bad} at element 3`);
      await expect(initFromFile(net, file)).rejects.toEqual(code('init/not-finite'));
    }
    const one = { dtype: 'F32', shape: [1], data: Float32Array.of(-0.1) } as const;
    const file = await write('negative.safetensors', new Map([['layer1.0.bn1.running_var', one]]));
    await expect(initFromFile(net, file)).rejects.toThrow('layer1.0.bn1.running_var has a negative variance');
    expect(await net.stateDict()).toEqual(before);
  });

  it('refuses a truncated file, a picture, no file, and an optimizer state', async () => {
    const net = small();
    const bytes = encodeSafetensors(await stored(net));
    await writeFile(join(folder, 'cut.safetensors'), bytes.subarray(0, bytes.length - 10));
    await expect(initFromFile(net, join(folder, 'cut.safetensors'))).rejects.toEqual(code('safetensors/truncated'));
    await writeFile(join(folder, 'a.png'), Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, 0, 0));
    await expect(initFromFile(net, join(folder, 'a.png'))).rejects.toEqual(code('safetensors/foreign'));
    await expect(initFromFile(net, join(folder, 'none.safetensors'))).rejects.toEqual(code('io/not-found'));
    await writeSafetensors(join(folder, 'last.state.safetensors'), await stored(net), { role: 'state' });
    await expect(initFromFile(net, join(folder, 'last.state.safetensors'))).rejects.toEqual(
      code('init/optimizer-state'),
    );
  });

  it.each([
    ['a zip archive', [0x50, 0x4b, 0x03, 0x04, 0, 0, 0, 0, 0, 0]],
    ['a bare pickle', [0x80, 0x02, 0x7d, 0x71, 0, 0x58, 0, 0, 0, 0]],
  ])('refuses %s that is not a file of PyTorch', async (_, bytes) => {
    const file = join(folder, 'weights.pth');
    await writeFile(file, Uint8Array.from(bytes));
    await expect(initFromFile(small(), file)).rejects.toEqual(code('torch/refused'));
  });

  it('reads a file whose header length begins like a pickle', async () => {
    // 0x80 is also the low byte of a header of 128 k bytes: only what follows tells them apart.
    const net = small();
    const tensors = await stored(net);
    for (let padding = 0; padding < 256; padding += 8) {
      const bytes = encodeSafetensors(tensors, { note: 'x'.repeat(padding) });
      if (bytes[0] !== 0x80) continue;
      await writeFile(join(folder, 'odd.safetensors'), bytes);
      expect((await initFromFile(net, join(folder, 'odd.safetensors'))).loadedElements).toBe(net.parameterCount());
      return;
    }
    throw new Error('no header length ended in 0x80');
  });

  it("takes a run folder's averaged weights where there are any, and a manifest", async () => {
    const [raw, averaged, net] = [small(), small(), small()];
    const rest = { step: 1, epoch: 1, config: {}, metrics: {}, sampler: null, random: null };
    const weights = await stored(raw);
    await saveCheckpoint(join(folder, 'run', 'checkpoints'), 'last', { ...rest, weights, ema: await stored(averaged) });
    await saveCheckpoint(join(folder, 'run', 'checkpoints'), 'best', { ...rest, weights });
    expect((await net.stateDict()).get('stem.0.weight')).not.toEqual((await averaged.stateDict()).get('stem.0.weight'));
    await initFromFile(net, join(folder, 'run'));
    expect(await net.stateDict()).toEqual(await averaged.stateDict());
    await initFromFile(net, join(folder, 'run', 'checkpoints', 'best.json'));
    expect(await net.stateDict()).toEqual(await raw.stateDict());
  });

  it('refuses integers where weights should be', async () => {
    const tensors = await stored(small());
    tensors.set('stem.0.bias', { dtype: 'U8', shape: [4], data: new Uint8Array(4) });
    const file = await write('quantized.safetensors', tensors);
    await expect(initFromFile(small(), file)).rejects.toThrow('tensor stem.0.bias is of type U8');
  });

  it('takes half precision, F16 and BF16', async () => {
    const net = small();
    const tensors = new Map(
      [...(await stored(small()))].map(([name, { shape, data }]): [string, StoredTensor] => {
        // Quarters are exact in both halves.
        return [
          name,
          { dtype: 'F16', shape, data: Float32Array.from({ length: data.length }, (_, i) => ((i % 9) - 4) / 4) },
        ];
      }),
    );
    const half = await write('half.safetensors', tensors);
    expect((await initFromFile(net, half)).loadedElements).toBe(net.parameterCount());
    const name = 'stem.0.weight';
    expect((await net.stateDict()).get(name)?.data).toEqual(tensors.get(name)?.data);
    // BF16 is only read: the header's type is rewritten, and the bits are those of 1.0 (0x3f80).
    const bytes = new Uint8Array(await readFile(half));
    const header = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    const text = new TextDecoder().decode(bytes.subarray(8, 8 + header)).replaceAll('"F16"', '"BF16"');
    const widened = text.trimEnd().padEnd(Math.ceil(text.trimEnd().length / 8) * 8);
    const payload = new Uint16Array((bytes.length - 8 - header) / 2).fill(0x3f80);
    const length = new Uint8Array(new BigUint64Array([BigInt(widened.length)]).buffer);
    await writeFile(
      join(folder, 'bf16.safetensors'),
      Buffer.concat([length, new TextEncoder().encode(widened), new Uint8Array(payload.buffer)]),
    );
    await initFromFile(net, join(folder, 'bf16.safetensors'));
    expect([...((await net.stateDict()).get(name)?.data ?? [])].every((value) => value === 1)).toBe(true);
  });

  it('refuses a shallower or narrower trunk as a whole, and without `strict` takes what fits', async () => {
    const file = await write('small.safetensors', await stored(small()));
    const deeper = new ConvNeXt({ depths: [1, 1, 2, 1], dims: [4, 6, 7, 8], classes: 0 });
    const before = await deeper.stateDict();
    await expect(initFromFile(deeper, file)).rejects.toEqual(code('init/wrong-variant'));
    expect(await deeper.stateDict()).toEqual(before);
    const report = await initFromFile(deeper, file, { strict: false });
    expect(report.rows.filter(({ status }) => status === 'missing').map(({ name }) => name)).toHaveLength(9);
    expect((await deeper.stateDict()).get('stages.2.blocks.1.gamma')).toEqual(before.get('stages.2.blocks.1.gamma'));
    // 9 of its 54 tensors are missing.
    await expect(initFromFile(deeper, file, { strict: false, leastShare: 0.9 })).rejects.toEqual(code('init/too-few'));
  });
});
