/**
 * Tier: any adapter. Every preset's network as an ONNX model and as PyTorch code: the outputs of ONNX Runtime and PyTorch against gmtl's own, on drawn
 * retinas that are prepared as the preset prepares pictures. PyTorch's are kept in fixtures/torch.json, beside the script that makes them. Opt-in:
 * GMTL_PHOTOGRAPHS names a folder; on its first photographs every preset is then held with every gradeFeatures and gateFeatures, and python3 runs PyTorch.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fromBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema } from 'onnx-buf';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { closeDeviceAfterwards, testDevice } from '../../../kernels-test/device.ts';
import { setEngine } from '../../engine/autograd/currentEngine.ts';
import { Engine } from '../../engine/autograd/engine.ts';
import { difference } from '../../engine/check/difference.ts';
import { encodeSafetensors } from '../../engine/io/safetensors.ts';
import type { Opset } from '../../engine/onnx/graph.ts';
import { runOnnx } from '../../engine/onnx/testsupport.ts';
import { GpuBackend } from '../../engine/ops/gpuBackend.ts';
import { presets } from '../config/presets.ts';
import type { PartialConfig, TrainConfig } from '../config/schema.ts';
import { loaderSettings } from '../data/loading/settings.ts';
import { preparePicture } from '../data/pictures/plainTools.ts';
import { decodeImage } from '../data/pictures/preprocess.ts';
import { drawFundus } from '../data/synth/fundus.ts';
import { applyTemperature } from '../metrics/temperature.ts';
import type { GateFeatures, GradeFeatures, MultitaskNet } from '../network/network.ts';
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

const folder = process.env.GMTL_PHOTOGRAPHS;
const photographs = folder
  ? readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.jpe?g$/i.test(name))
      .sort()
      .slice(0, ROWS)
      .map((name) => join(folder, name))
  : [];

if (folder && photographs.length < ROWS) {
  throw new Error(`GMTL_PHOTOGRAPHS=${folder} holds ${photographs.length} .jpg or .jpeg files; ${ROWS} are needed`);
}

/** Two retinas with lesions, drawn; or photographs. */
const eyes =
  photographs.length > 0
    ? () => Promise.all(photographs.map((path) => decodeImage(path)))
    : () =>
        [
          { retinopathy: 3, edema: 2, softExudates: true } as const,
          { retinopathy: 1, edema: 0, softExudates: false } as const,
        ].map((wanted, row) => {
          const { rgb: data, width, height } = drawFundus(`exported/${row}`, 160, wanted);
          return { data, width, height };
        });

const prepared = new Map<string, Uint8Array>();

/**
 * Bytes of pictures as the configuration has them prepared, [ROWS, SIDE, SIDE, 3]. In plain arithmetic, as in a page: the numbers that are kept for
 * PyTorch do not hang on a codec.
 */
async function picturesFor(config: TrainConfig): Promise<Uint8Array> {
  const { preprocess } = loaderSettings(config);
  const key = JSON.stringify([preprocess.clahe, preprocess.benGraham]);
  let pictures = prepared.get(key);
  if (!pictures) {
    const samples = await Promise.all((await eyes()).map((eye) => preparePicture(eye, 'an eye', preprocess)));
    pictures = Uint8Array.from(samples.flatMap(({ image }) => Array.from(image)));
    expect(pictures).toHaveLength(ROWS * SIDE * SIDE * 3);
    prepared.set(key, pictures);
  }
  return pictures;
}

/** The model's input: [ROWS, 3, SIDE, SIDE] in 0 … 1. */
function planes(pictures: Uint8Array): Float32Array {
  const plane = SIDE * SIDE;
  return Float32Array.from(pictures, (_, to) => {
    const [row, channel, pixel] = [Math.floor(to / (3 * plane)), Math.floor(to / plane) % 3, to % plane];
    return pictures[(row * plane + pixel) * 3 + channel] / 255;
  });
}

async function predictions(
  model: MultitaskNet,
  config: TrainConfig,
  pictures: Uint8Array,
): Promise<readonly Prediction[]> {
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

type Goldens = Readonly<
  Record<
    string,
    { readonly code: string; readonly pictures: string; readonly outputs: Readonly<Record<string, number[]>> }
  >
>;

const SCRIPT = fileURLToPath(new URL('fixtures/torch_outputs.py', import.meta.url));
const KEPT = fileURLToPath(new URL('fixtures/torch.json', import.meta.url));
const goldens = JSON.parse(readFileSync(KEPT, 'utf8')) as Goldens;
/** Where networks are written for fixtures/torch_outputs.py; unset: they are compared with what it wrote. */
const toWrite = process.env.GMTL_TORCH_EXPORTS;

/** A network that was exported under a name, and gmtl's outputs. */
interface Exported {
  readonly name: string;
  /** The PyTorch export's files, and the pictures that go in. */
  readonly files: ReadonlyMap<string, string | Uint8Array>;
  readonly own: Outputs;
  /** The largest relative L2 of ONNX Runtime's outputs from gmtl's. */
  readonly onnx: number;
  /** The ONNX model's outputs. */
  readonly outputs: readonly string[];
}

function writeExports(folder: string, networks: readonly Exported[]): void {
  for (const { name, files } of networks) {
    mkdirSync(join(folder, name), { recursive: true });
    for (const [file, content] of files) writeFileSync(join(folder, name, file), content);
  }
}

/** PyTorch's outputs, from a process of its own. */
function runTorch(networks: readonly Exported[]): Goldens {
  const folder = mkdtempSync(join(tmpdir(), 'gmtl-torch-'));
  try {
    writeExports(folder, networks);
    const out = join(folder, 'outputs.json');
    execFileSync('python3', [SCRIPT, folder, out], { stdio: ['ignore', 'inherit', 'inherit'] });
    return JSON.parse(readFileSync(out, 'utf8')) as Goldens;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The largest relative L2 of PyTorch's outputs from gmtl's. */
function torchFarthest(networks: readonly Exported[]): number {
  if (toWrite !== undefined) {
    writeExports(toWrite, networks);
    return 0;
  }
  const known = photographs.length > 0 ? runTorch(networks) : goldens;
  return Math.max(
    ...networks.map(({ name, files, own }) => {
      const { outputs, ...of } = known[name] ?? {};
      const hash = (file: string) => createHash('sha256').update(files.get(file)!).digest('hex');
      const written = { code: hash('network.py'), pictures: hash('pictures.safetensors') };
      expect(written, `${name} changed: make PyTorch's outputs anew (fixtures/torch_outputs.py)`).toEqual(of);
      expect(Object.keys(outputs).sort()).toEqual(Object.keys(own).sort());
      return worst(outputs, (output) => {
        const values = Array.from(own[output]);
        return output === 'mask_probabilities' ? values.filter((_, at) => at % 499 === 0) : values;
      });
    }),
  );
}

/** The largest relative L2 of outputs from those of the same name. */
function worst(got: Outputs, want: (name: string) => ArrayLike<number>): number {
  return Math.max(...Object.entries(got).map(([name, values]) => difference(values, want(name)).relativeL2));
}

/** Exports a network, and runs it in gmtl and in ONNX Runtime. */
async function exported(
  name: string,
  preset: string,
  changes: PartialConfig = {},
  {
    task = 'both',
    calibrated = false,
    opsets = [17],
  }: { task?: ExportTask; calibrated?: boolean; opsets?: Opset[] } = {},
): Promise<Exported> {
  const { model, config } = presetModel(engine, preset, changes);
  made.push(model);
  const pictures = await picturesFor(config);
  const image = { dtype: 'F32', shape: [ROWS, 3, SIDE, SIDE], data: planes(pictures) } as const;
  const predicted = await predictions(model, config, pictures);
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
    const [got] = await runOnnx(bytes, { image });
    const runtime = Object.fromEntries(Object.entries(got).map(([output, { data }]) => [output, data]));
    onnx = Math.max(
      onnx,
      worst(runtime, (output) => own[output]),
    );
    names = Object.keys(runtime).sort();
  }
  const files = torchModel(config, calibration, await packWeights(model));
  files.set('pictures.safetensors', encodeSafetensors(new Map([['pictures', image]])));
  return { name, files, own, onnx, outputs: names };
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

/** @param preset prints the figures, under that name. */
function expectNear(networks: readonly Exported[], preset?: string): void {
  const onnx = Math.max(...networks.map((network) => network.onnx));
  const torch = torchFarthest(networks);
  if (preset !== undefined) {
    const figures = `${onnx.toExponential(1)} (ONNX Runtime), ${torch.toExponential(1)} (PyTorch)`;
    console.info(`${preset}: relative L2 ${figures}, networks: ${networks.length}`);
  }
  expect(onnx).toBeLessThan(1e-5);
  expect(torch).toBeLessThan(1e-5);
}

describe.skipIf(photographs.length > 0)('ONNX Runtime and PyTorch agree with gmtl within 1e-5', () => {
  it.each(Object.keys(presets))('on the network of %s', async (preset) => {
    const network = await exported(preset, preset, NARROW[preset], { opsets: [17, 20] });
    expectNear([network], preset);
    const grades = presets[preset as keyof typeof presets].config.model?.grades ?? 'both';
    expect(network.outputs).toEqual([
      ...(grades === 'retinopathy' ? [] : ['edema_probabilities']),
      'gate_probabilities',
      'mask_probabilities',
      'retinopathy_probabilities',
    ]);
  });

  const soft = { training: { routing: 'soft' } } as const;
  const variants: Record<string, [PartialConfig, Parameters<typeof exported>[3]?]> = {
    'calibrated grades': [{}, { calibrated: true }],
    'calibrated ordinal grades': [{ loss: { gradeLoss: 'corn', labelSmoothing: 0 } }, { calibrated: true }],
    'soft routing, all pooled, calibrated': [
      { ...soft, model: { gradeFeatures: 'pooled', gateFeatures: 'pooled' } },
      { calibrated: true },
    ],
    'soft routing, the gate from masks': [{ ...soft, model: { gradeFeatures: 'pooled', gateFeatures: 'masks' } }],
    'grades from every stage': [{ model: { gradeFeatures: 'stages', gateFeatures: 'pooled' } }],
    'grades from findings': [{ model: { gradeFeatures: 'findings' } }, { task: 'grades' }],
    'grades and gate from masks alone': [{ ...soft, model: { gradeFeatures: 'masks', gateFeatures: 'masks' } }],
    'a decoder with layer norms': [{ model: { decoderNorm: 'layer' } }],
    'masks alone': [{}, { task: 'masks' }],
  };
  for (const preset of ['demo', 'resnet-unet-small']) {
    it.each(Object.entries(variants))(`${preset} with %s`, async (variant, [changes, options]) => {
      const network = await exported(`${preset} ${variant}`.replaceAll(/\W+/g, '-'), preset, changes, options);
      expectNear([network]);
      expect(network.outputs.includes('mask_probabilities')).toBe(options?.task !== 'grades');
      expect(network.outputs.includes('edema_probabilities')).toBe(options?.task !== 'masks');
    });
  }
});

const GRADE_FEATURES = { pooled: 0, stages: 0, findings: 0, masks: 0 } satisfies Record<GradeFeatures, 0>;
const GATE_FEATURES = { pooled: 0, masks: 0 } satisfies Record<GateFeatures, 0>;

describe.skipIf(photographs.length === 0)('on photographs ONNX Runtime and PyTorch agree with gmtl within 1e-5', () => {
  it.each(Object.keys(presets))('for %s with every gradeFeatures and gateFeatures', async (preset) => {
    const changes = NARROW[preset] ?? {};
    const networks = [await exported(preset, preset, changes, { opsets: [17, 20] })];
    for (const gradeFeatures of Object.keys(GRADE_FEATURES) as GradeFeatures[]) {
      // Convolution experts grade by the coarsest map alone.
      if (preset === 'resnet-unet-experts' && gradeFeatures !== 'pooled') continue;
      for (const gateFeatures of Object.keys(GATE_FEATURES) as GateFeatures[]) {
        for (const routing of ['both', 'soft'] as const) {
          const name = `${preset} ${gradeFeatures} ${gateFeatures} ${routing}`;
          const model = { ...changes.model, gradeFeatures, gateFeatures };
          networks.push(await exported(name, preset, { ...changes, model, training: { routing } }));
        }
      }
    }
    expectNear(networks, preset);
  });
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
