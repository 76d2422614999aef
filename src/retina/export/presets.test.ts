/**
 * Tier: any adapter. Every preset's network as an ONNX model and as PyTorch code: the outputs of ONNX Runtime and PyTorch against gmtl's own.
 * PyTorch's are kept in fixtures/torch.json, beside the script that makes them.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema } from 'onnx-buf';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { closeDeviceAfterwards, testDevice } from '../../../kernels-test/device.ts';
import { Engine, setEngine } from '../../engine/autograd/engine.ts';
import { difference } from '../../engine/check/difference.ts';
import { encodeSafetensors } from '../../engine/io/safetensors.ts';
import type { Opset } from '../../engine/onnx/graph.ts';
import { runOnnx } from '../../engine/onnx/testsupport.ts';
import { GpuBackend } from '../../engine/ops/gpuBackend.ts';
import { Generator } from '../../engine/tensor/random.ts';
import { presets } from '../config/presets.ts';
import type { PartialConfig, TrainConfig } from '../config/schema.ts';
import { loaderSettings } from '../data/loading/settings.ts';
import { applyTemperature } from '../metrics/temperature.ts';
import type { MultitaskNet } from '../network/network.ts';
import { packWeights } from '../network/weights.ts';
import { NetworkReplay } from '../predict/networkReplay.ts';
import type { Prediction } from '../predict/prediction.ts';
import type { Calibration } from '../run/calibrationFormat.ts';
import type { ExportTask } from './forward.ts';
import { onnxModel } from './onnxFormat.ts';
import { presetModel } from './testsupport.ts';
import { torchModel } from './torchFormat.ts';

closeDeviceAfterwards();
let engine: Engine;
beforeAll(async () => {
  engine = new Engine(new GpuBackend(await testDevice()), { seed: 1 });
  setEngine(engine);
});
const made: MultitaskNet[] = [];
afterEach(() => {
  for (const model of made.splice(0)) model.dispose();
});
afterAll(() => {
  setEngine(null);
});

const SIDE = 64;
const ROWS = 2;

/** Bytes of pictures, [ROWS, SIDE, SIDE, 3]. */
const pictures = ((): Uint8Array => {
  const generator = new Generator(3);
  return Uint8Array.from({ length: ROWS * SIDE * SIDE * 3 }, (_, at) => (generator.integer(200) + at / 999) % 256);
})();

/** The model's input: [ROWS, 3, SIDE, SIDE] in 0 … 1. */
function planes(): Float32Array {
  const plane = SIDE * SIDE;
  return Float32Array.from(pictures, (_, to) => {
    const [row, channel, pixel] = [Math.floor(to / (3 * plane)), Math.floor(to / plane) % 3, to % plane];
    return pictures[(row * plane + pixel) * 3 + channel] / 255;
  });
}

async function predictions(model: MultitaskNet, config: TrainConfig): Promise<readonly Prediction[]> {
  const { mean, std } = loaderSettings(config).normalization;
  const images = Float32Array.from(pictures, (byte, at) => (byte / 255 - mean[at % 3]) / std[at % 3]);
  const replay = new NetworkReplay(engine, model, 'the exported network');
  try {
    return await replay.predict(images, ROWS, config.training.routing === 'soft' ? 'soft' : 'both');
  } finally {
    replay.dispose();
  }
}

const temperatures = { retinopathy: { temperature: 1.7 }, edema: { temperature: 0.6 }, gate: { temperature: 2.5 } };
const CALIBRATION = { temperatures, thresholds: {} } as unknown as Calibration;

type Outputs = Readonly<Record<string, ArrayLike<number>>>;

const goldens = JSON.parse(readFileSync(new URL('fixtures/torch.json', import.meta.url), 'utf8')) as Readonly<
  Record<string, { readonly code: string; readonly outputs: Readonly<Record<string, number[]>> }>
>;
/** Where networks are written for fixtures/torch_outputs.py; unset: they are compared with what it wrote. */
const toWrite = process.env.GMTL_TORCH_EXPORTS;

/** The largest relative L2 of PyTorch's outputs from gmtl's, and which there are; `name` is the network's in the fixture. */
function torchFarthest(name: string, files: ReadonlyMap<string, string | Uint8Array>, own: Outputs): number {
  if (toWrite !== undefined) {
    mkdirSync(join(toWrite, name), { recursive: true });
    for (const [file, content] of files) writeFileSync(join(toWrite, name, file), content);
    const data = planes();
    const pictures = new Map([['pictures', { dtype: 'F32', shape: [ROWS, 3, SIDE, SIDE], data }]] as const);
    writeFileSync(join(toWrite, 'pictures.safetensors'), encodeSafetensors(pictures));
    return 0;
  }
  const { code, outputs } = goldens[name] ?? {};
  const written = createHash('sha256').update(files.get('network.py')!).digest('hex');
  expect(written, `the PyTorch code of ${name} changed: make its outputs anew (fixtures/torch_outputs.py)`).toBe(code);
  expect(Object.keys(outputs).sort()).toEqual(Object.keys(own).sort());
  return worst(outputs, (output) => {
    const values = Array.from(own[output]);
    return output === 'mask_probabilities' ? values.filter((_, at) => at % 499 === 0) : values;
  });
}

/** The largest relative L2 of outputs from those of the same name. */
function worst(got: Outputs, want: (name: string) => ArrayLike<number>): number {
  return Math.max(...Object.entries(got).map(([name, values]) => difference(values, want(name)).relativeL2));
}

/** The largest distances of outputs of ONNX Runtime and of PyTorch from gmtl's, relative L2. */
async function farthest(
  name: string,
  preset: string,
  changes: PartialConfig = {},
  {
    task = 'both',
    calibrated = false,
    opsets = [17],
  }: { task?: ExportTask; calibrated?: boolean; opsets?: Opset[] } = {},
): Promise<{ onnx: number; torch: number; outputs: string[] }> {
  const { model, config } = presetModel(engine, preset, changes);
  made.push(model);
  const predicted = await predictions(model, config);
  const calibration = calibrated ? CALIBRATION : null;
  const temper = (of: keyof typeof temperatures, values: Float32Array): Float32Array =>
    calibrated ? Float32Array.from(applyTemperature(values, values.length, temperatures[of].temperature)) : values;
  const outputs: Record<string, (one: Prediction) => Float32Array | null> = {
    mask_probabilities: ({ masks }) => masks && toPlanes(masks),
    retinopathy_probabilities: ({ retinopathy }) => retinopathy && temper('retinopathy', retinopathy),
    edema_probabilities: ({ edema }) => edema && temper('edema', edema),
    gate_probabilities: ({ gate }) => temper('gate', gate),
  };
  const own = Object.fromEntries(
    Object.entries(outputs)
      .map(([output, of]) => [output, predicted.flatMap((one) => Array.from(of(one) ?? []))] as const)
      .filter(([, values]) => values.length > 0),
  );
  let onnx = 0;
  let names: string[] = [];
  for (const opset of opsets) {
    const bytes = await onnxModel({ model, config, calibration, task, opset, facts: {} });
    const [got] = await runOnnx(bytes, { image: { shape: [ROWS, 3, SIDE, SIDE], data: planes() } });
    const runtime = Object.fromEntries(Object.entries(got).map(([output, { data }]) => [output, data]));
    onnx = Math.max(
      onnx,
      worst(runtime, (output) => own[output]),
    );
    names = Object.keys(runtime).sort();
  }
  const torch = torchFarthest(name, torchModel(config, calibration, await packWeights(model)), own);
  return { onnx, torch, outputs: names };
}

function toPlanes(masks: Float32Array): Float32Array {
  const classes = masks.length / SIDE ** 2;
  return masks.map((_, to) => masks[(to % SIDE ** 2) * classes + Math.floor(to / SIDE ** 2)]);
}

/** Presets of published size at a quarter of their width: the same layers and paths in a twentieth of the time. */
const NARROW_UNET: PartialConfig = {
  model: { unet: { encoder: { depths: [3, 4, 6, 3], widths: [16, 32, 64, 128] }, channels: [64, 32, 16, 8, 4] } },
};
const NARROW: Readonly<Partial<Record<string, PartialConfig>>> = {
  'convnext-gated': {
    model: { trunk: { depths: [3, 3, 9, 3], dims: [24, 48, 96, 192] }, decoderChannels: [64, 32, 16, 8] },
  },
  'resnet-unet': NARROW_UNET,
  'resnet-unet-disc': NARROW_UNET,
  'resnet-unet-experts': NARROW_UNET,
};

describe('ONNX Runtime and PyTorch agree with gmtl within 1e-5', () => {
  it.each(Object.keys(presets))('on the network of %s', async (preset) => {
    const { onnx, torch, outputs } = await farthest(preset, preset, NARROW[preset], { opsets: [17, 20] });
    console.info(
      `${preset}: relative L2 ${onnx.toExponential(1)} (ONNX Runtime, opsets 17 and 20), ${torch.toExponential(1)} (PyTorch)`,
    );
    expect(onnx).toBeLessThan(1e-5);
    expect(torch).toBeLessThan(1e-5);
    const grades = presets[preset as keyof typeof presets].config.model?.grades ?? 'both';
    expect(outputs).toEqual([
      ...(grades === 'retinopathy' ? [] : ['edema_probabilities']),
      'gate_probabilities',
      'mask_probabilities',
      'retinopathy_probabilities',
    ]);
  });

  const variants: Record<string, [PartialConfig, Parameters<typeof farthest>[3]?]> = {
    'calibrated grades': [{}, { calibrated: true }],
    'calibrated ordinal grades': [{ loss: { gradeLoss: 'corn', labelSmoothing: 0 } }, { calibrated: true }],
    'soft routing, calibrated': [{ training: { routing: 'soft' } }, { calibrated: true }],
    'grades from every stage': [{ model: { gradeFeatures: 'stages' } }],
    'grades from findings': [{ model: { gradeFeatures: 'findings' } }, { task: 'grades' }],
    'grades and gate from masks alone': [{ model: { gradeFeatures: 'masks', gateFeatures: 'masks' } }],
    'a decoder with layer norms': [{ model: { decoderNorm: 'layer' } }],
    'masks alone': [{}, { task: 'masks' }],
  };
  for (const preset of ['demo', 'resnet-unet-small']) {
    it.each(Object.entries(variants))(`${preset} with %s`, async (variant, [changes, options]) => {
      const { onnx, torch, outputs } = await farthest(
        `${preset} ${variant}`.replaceAll(/\W+/g, '-'),
        preset,
        changes,
        options,
      );
      expect(onnx).toBeLessThan(1e-5);
      expect(torch).toBeLessThan(1e-5);
      expect(outputs.includes('mask_probabilities')).toBe(options?.task !== 'grades');
      expect(outputs.includes('edema_probabilities')).toBe(options?.task !== 'masks');
    });
  }
});

describe('the model', () => {
  it('takes any batch and any height and width that are multiples of 32', async () => {
    for (const preset of ['demo', 'resnet-unet-small']) {
      const { model, config } = presetModel(engine, preset);
      made.push(model);
      const bytes = await onnxModel({ model, config, calibration: null, task: 'both', opset: 17, facts: { a: 'b' } });
      const { graph, opsetImport, metadataProps } = fromBinary(ModelProtoSchema, bytes);
      expect(opsetImport.map(({ version }) => version)).toEqual([17n]);
      expect(metadataProps.map(({ key }) => key)).toEqual(['a']);
      expect(graph?.initializer.map(({ name }) => name)).toContain(
        preset === 'demo' ? 'trunk.stem.0.weight' : 'encoder.conv1.weight',
      );
      const shape = [3, 3, 32, 96];
      const data = new Float32Array(3 * 3 * 32 * 96).fill(0.4);
      const [got] = await runOnnx(bytes, { image: { shape, data } });
      expect(got.mask_probabilities.shape).toEqual([3, 5, 32, 96]);
      expect(got.gate_probabilities.shape).toEqual([3, 2]);
    }
  });
});
