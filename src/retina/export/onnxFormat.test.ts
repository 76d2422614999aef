/** Tier: any adapter. Every preset's network as an ONNX model: ONNX Runtime's outputs against gmtl's own. */
import { fromBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema } from 'onnx-buf';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { closeDeviceAfterwards, testDevice } from '../../../kernels-test/device.ts';
import { Engine, setEngine } from '../../engine/autograd/engine.ts';
import { difference } from '../../engine/check/difference.ts';
import { runOnnx } from '../../engine/onnx/testsupport.ts';
import { GpuBackend } from '../../engine/ops/gpuBackend.ts';
import { Generator } from '../../engine/tensor/random.ts';
import { presets } from '../config/presets.ts';
import type { PartialConfig, TrainConfig } from '../config/schema.ts';
import { loaderSettings } from '../data/loading/settings.ts';
import { applyTemperature } from '../metrics/temperature.ts';
import type { MultitaskNet } from '../network/network.ts';
import { NetworkReplay } from '../predict/networkReplay.ts';
import type { Prediction } from '../predict/prediction.ts';
import type { Calibration } from '../run/calibrationFormat.ts';
import type { ExportTask } from './forward.ts';
import { onnxModel } from './onnxFormat.ts';
import { presetModel } from './testsupport.ts';

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

/** The largest distance of an output of ONNX Runtime from gmtl's, relative L2. */
async function farthest(
  preset: string,
  changes: PartialConfig = {},
  { task = 'both', calibrated = false, opset = 17 }: { task?: ExportTask; calibrated?: boolean; opset?: 17 | 20 } = {},
): Promise<{ worst: number; outputs: string[] }> {
  const { model, config } = presetModel(engine, preset, changes);
  made.push(model);
  const own = await predictions(model, config);
  const calibration = calibrated ? CALIBRATION : null;
  const bytes = await onnxModel({ model, config, calibration, task, opset, facts: {} });
  const [got] = await runOnnx(bytes, { image: { shape: [ROWS, 3, SIDE, SIDE], data: planes() } });
  const temper = (of: keyof typeof temperatures, values: Float32Array): Float32Array =>
    calibrated ? Float32Array.from(applyTemperature(values, values.length, temperatures[of].temperature)) : values;
  const want: Record<string, (one: Prediction) => Float32Array | null> = {
    mask_probabilities: ({ masks }) => masks && toPlanes(masks),
    retinopathy_probabilities: ({ retinopathy }) => retinopathy && temper('retinopathy', retinopathy),
    edema_probabilities: ({ edema }) => edema && temper('edema', edema),
    gate_probabilities: ({ gate }) => temper('gate', gate),
  };
  let worst = 0;
  for (const [name, { data }] of Object.entries(got)) {
    const expected = own.flatMap((one) => Array.from(want[name](one) ?? []));
    worst = Math.max(worst, difference(data, expected).relativeL2);
  }
  return { worst, outputs: Object.keys(got).sort() };
}

function toPlanes(masks: Float32Array): Float32Array {
  const classes = masks.length / SIDE ** 2;
  return masks.map((_, to) => masks[(to % SIDE ** 2) * classes + Math.floor(to / SIDE ** 2)]);
}

describe('ONNX Runtime agrees with gmtl within 1e-5', () => {
  it.each(Object.keys(presets))('on the network of %s', async (preset) => {
    const { worst, outputs } = await farthest(preset);
    console.info(`${preset}: relative L2 ${worst.toExponential(1)}`);
    expect(worst).toBeLessThan(1e-5);
    const grades = presets[preset as keyof typeof presets].config.model?.grades ?? 'both';
    expect(outputs).toEqual([
      ...(grades === 'retinopathy' ? [] : ['edema_probabilities']),
      'gate_probabilities',
      'mask_probabilities',
      'retinopathy_probabilities',
    ]);
  });

  const variants: Record<string, [PartialConfig, Parameters<typeof farthest>[2]?]> = {
    'calibrated grades': [{}, { calibrated: true }],
    'calibrated ordinal grades': [{ loss: { gradeLoss: 'corn', labelSmoothing: 0 } }, { calibrated: true }],
    'soft routing, calibrated': [{ training: { routing: 'soft' } }, { calibrated: true }],
    'grades from every stage': [{ model: { gradeFeatures: 'stages' } }],
    'grades from findings alone, opset 20': [{ model: { gradeFeatures: 'findings' } }, { task: 'grades', opset: 20 }],
    'a decoder with layer norms': [{ model: { decoderNorm: 'layer' } }, { opset: 20 }],
    'masks alone': [{}, { task: 'masks' }],
  };
  for (const preset of ['demo', 'resnet-unet-small']) {
    it.each(Object.entries(variants))(`${preset} with %s`, async (_, [changes, options]) => {
      const { worst, outputs } = await farthest(preset, changes, options);
      expect(worst).toBeLessThan(1e-5);
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
