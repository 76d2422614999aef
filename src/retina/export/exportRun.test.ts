/** Tier: no adapter, slow. Exported models: what is written is read back whole, and a damaged or foreign one is refused. */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fromBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema } from 'onnx-buf';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { setEngine } from '../../engine/autograd/currentEngine.ts';
import { Engine } from '../../engine/autograd/engine.ts';
import { decodeSafetensors } from '../../engine/io/safetensors.ts';
import { imageTensor } from '../data/loading/batch.ts';
import { decodeImage, preprocessImage } from '../data/pictures/preprocess.ts';
import { ReferenceBackend } from '../../engine/ops/referenceBackend.ts';
import { Generator } from '../../engine/tensor/random.ts';
import { inferImage } from '../predict/image.ts';
import { buildModel } from '../network/build.ts';
import { openPredictor } from '../predict/openPredictor.ts';
import { MODEL_MANIFEST, unpackModel } from '../run/modelFolder.ts';
import { readIfPresent } from '../../engine/node/atomic.ts';
import { loadTrainedWeights } from '../run/trainedWeights.ts';
import { resolveConfig } from '../config/resolve.ts';
import { pythonExample } from './examples.ts';
import { exportRun } from './exportRun.ts';

const RUN = fileURLToPath(new URL('../../../cli/fixtures/run-0.1', import.meta.url));

/** A calibration of these thresholds, and of nothing else. */
const calibrationOf = (thresholds: Readonly<Record<string, number>>): object => ({
  fittedOn: {
    ...{ split: 'val', segmentation: 1, classification: 0, images: ['eye'] },
    ...{ checkpoint: 'best', step: 6, weights: 'average', frame: 'network', flips: false },
  },
  temperatures: { retinopathy: null, edema: null, gate: null },
  thresholds: Object.fromEntries(
    Object.entries(thresholds).map(([structure, threshold]) => [
      structure,
      { threshold, dice: 0.5, diceAtHalf: 0.4, positives: 9, reason: 'fitted', crossValidated: 0.5 },
    ]),
  ),
});

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gmtl-export-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const read = async (name: string): Promise<Uint8Array | null> =>
  readIfPresent(join(folder, name)) === undefined ? null : new Uint8Array(readFileSync(join(folder, name)));

const change = (name: string, edit: (bytes: Buffer) => Buffer): void =>
  writeFileSync(join(folder, name), edit(readFileSync(join(folder, name))));

describe('gmtl export --format web', () => {
  it('writes what is read back: weights bit by bit, configuration, model card', async () => {
    const written = await exportRun({ run: RUN, format: 'web', out: folder });
    expect(written.at(-1)?.path).toBe(join(folder, MODEL_MANIFEST));
    const model = await unpackModel(read);
    const { weights, config, step, averaged } = await loadTrainedWeights(RUN);
    expect(model.weights).toEqual(weights);
    expect(model.config).toEqual(config);
    expect(model.facts).toMatchObject({ name: 'run-0.1', step, averaged });
    const network = buildModel(new Engine(new ReferenceBackend()), config);
    expect([...weights.keys()].some((name) => name.endsWith('running_mean'))).toBe(true);
    expect(model.facts.parameters).toBe(network.parameterCount());
    expect(model.card.description).toContain(`${network.parameterCount().toLocaleString('en')} parameters`);
    expect(model.calibration).toBeNull();
    expect(model.card.description).toMatch(/trained on \d+ images with masks and \d+ graded ones/);
    expect(readFileSync(join(folder, 'README.md'), 'utf8')).toContain('**Not a medical device.**');
  });

  it('refuses a folder that holds something, unless it may be replaced', async () => {
    await exportRun({ run: RUN, format: 'web', out: folder });
    await expect(exportRun({ run: RUN, format: 'web', out: folder })).rejects.toMatchObject({ code: 'export/exists' });
    for (const out of ['net.onnx', MODEL_MANIFEST].map((name) => join(folder, name))) {
      const refused = { code: 'export/folder', message: expect.stringContaining(join(folder, 'web')) as string };
      await expect(exportRun({ run: RUN, format: 'web', out, overwrite: true })).rejects.toMatchObject(refused);
    }
    await exportRun({ run: RUN, format: 'web', out: folder, overwrite: true });
    await expect(unpackModel(read)).resolves.toBeDefined();
  });
});

describe('gmtl export --format onnx', () => {
  it('writes a model with its facts, and examples', async () => {
    const written = await exportRun({ run: RUN, format: 'onnx', out: folder, opset: 20 });
    expect(written.map(({ path }) => basename(path))).toEqual(['run.py', 'run.mjs', 'model.onnx']);
    const { opsetImport, metadataProps } = fromBinary(ModelProtoSchema, readFileSync(join(folder, 'model.onnx')));
    expect(opsetImport[0].version).toBe(20n);
    const facts = Object.fromEntries(metadataProps.map(({ key, value }) => [key, value]));
    expect(facts.not_a_medical_device).toContain('not a medical device');
    expect(JSON.parse(facts.labels).retinopathy).toHaveLength(5);
    expect(JSON.parse(facts.preprocessing)).toMatchObject({ size: 32, benGraham: false });
    expect(facts.weights_sha256).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe('gmtl export --format torch', () => {
  it('writes weights, the network as one Python file, its facts and an example', async () => {
    const written = await exportRun({ run: RUN, format: 'torch', out: folder });
    expect(written.map(({ path }) => basename(path))).toEqual([
      'run.py',
      'model.json',
      'network.py',
      'model.safetensors',
    ]);
    const { tensors } = decodeSafetensors(readFileSync(join(folder, 'model.safetensors')), 'model.safetensors');
    expect(tensors).toEqual((await loadTrainedWeights(RUN)).weights);
    const facts = JSON.parse(readFileSync(join(folder, 'model.json'), 'utf8')) as Record<string, string>;
    expect(facts.not_a_medical_device).toContain('not a medical device');
    // What PyTorch makes of such a file is held against gmtl's outputs in presets.test.ts.
    const code = readFileSync(join(folder, 'network.py'), 'utf8');
    expect(code).toContain("'dims': [4, 4, 8, 8]");
    expect(code).not.toMatch(/undefined|\[object|\btrue\b|\bfalse\b|\bnull\b/);
    expect(readFileSync(join(folder, 'run.py'), 'utf8')).toContain('from network import load');
  });
});

/** What the printed lines of an example say, by name: the grade or structure's label, and a number. */
const said = (output: string): Record<string, { label: string; number: number }> =>
  Object.fromEntries(
    output
      .trim()
      .split('\n')
      .map((line) => {
        const [, name, label, grade, share] = /^(\w+): (?:(.+) \((\d\.\d{3})\)|(\d+\.\d{4}) ?% of the square)$/.exec(
          line,
        )!;
        return [name, { label: label ?? 'of the square', number: Number(grade ?? share) }];
      }),
  );

const python = (code: string): boolean => spawnSync('python3', ['-c', code]).status === 0;

describe('an example says of a photograph what gmtl infer says, of masks that are not empty', () => {
  const SIZE = 32;
  let work: string;
  let expected: ReturnType<typeof said>;

  beforeAll(async () => {
    work = mkdtempSync(join(tmpdir(), 'gmtl-examples-'));
    // Programs find packages that are installed beside them.
    symlinkSync(fileURLToPath(new URL('../../../node_modules', import.meta.url)), join(work, 'node_modules'));
    // As large as the network's square: masks of the square and of the frame have the same pixels.
    const frame = Buffer.alloc(48 * 40 * 3);
    const generator = new Generator(4);
    for (let y = 4; y < 4 + SIZE; y++) {
      for (let x = 6; x < 6 + SIZE; x++) {
        const light = 1 - Math.hypot(x - 30, y - 16) / 60;
        frame.set([220 * light, 110 * light, 50 * light + generator.integer(20)], 3 * (y * 48 + x));
      }
    }
    const picture = join(work, 'eye.png');
    await sharp(frame, { raw: { width: 48, height: 40, channels: 3 } })
      .png()
      .toFile(picture);
    cpSync(RUN, join(work, 'run'), { recursive: true });
    const engine = new Engine(new ReferenceBackend());
    const previous = setEngine(engine);
    const predictor = openPredictor(engine, await loadTrainedWeights(RUN));
    try {
      const { structures } = predictor.config.model;
      const { preprocess, normalization } = predictor.source.options;
      const sample = await preprocessImage(await decodeImage(picture), picture, preprocess);
      expect(sample.box.size).toBe(SIZE);
      const [{ masks }] = await predictor.predict(imageTensor(sample, normalization), 1, { choice: 'both' });
      // Each structure's median probability: half of the square is above it, and rounding moves no pixel across the gap that it lies in.
      const thresholds = structures.map((structure, index) => {
        const values = masks!.filter((_, at) => at % structures.length === index).sort();
        const gaps = values.map((value, at) => (Math.abs(at - values.length / 2) < 200 ? values[at + 1] - value : 0));
        const at = gaps.indexOf(Math.max(...gaps));
        // Probabilities near 0.02 agree to some 1e-8.
        expect(gaps[at]).toBeGreaterThan(1e-6);
        return [structure, (values[at] + values[at + 1]) / 2] as const;
      });
      const threshold = Object.fromEntries(thresholds);
      writeFileSync(join(work, 'run', 'calibration.json'), JSON.stringify(calibrationOf(threshold)));
      const { result } = await inferImage(predictor, picture, { choice: 'both', threshold });
      const { retinopathy, edema, gate, lesions } = result;
      expected = {
        retinopathy: { label: retinopathy!.name, number: retinopathy!.probabilities[retinopathy!.grade] },
        edema: { label: edema!.name, number: edema!.probabilities[edema!.grade] },
        gate: { label: gate.task, number: gate.probability },
        ...Object.fromEntries(
          structures.map((structure) => {
            const share = (100 * lesions![structure]!.pixels) / SIZE ** 2;
            expect(share).toBeGreaterThan(25);
            return [structure, { label: 'of the square', number: share }];
          }),
        ),
      };
    } finally {
      predictor.dispose();
      setEngine(previous);
    }
    for (const format of ['onnx', 'torch'] as const)
      await exportRun({ run: join(work, 'run'), format, out: join(work, format) });
  });
  afterAll(() => rmSync(work, { recursive: true }));

  function expectSame(output: string): void {
    const got = said(output);
    expect(Object.keys(got)).toEqual(Object.keys(expected));
    for (const [name, { label, number }] of Object.entries(expected)) {
      expect(got[name].label, name).toBe(label);
      // As many digits as are printed.
      expect(Math.abs(got[name].number - number), name).toBeLessThan(label === 'of the square' ? 6e-5 : 6e-4);
    }
  }

  const run = (program: string, file: string, env = {}): string =>
    execFileSync(program, [file, 'eye.png'], { cwd: work, encoding: 'utf8', env: { ...process.env, ...env } });

  it('in JavaScript, with onnxruntime-web', () => {
    expectSame(run(process.execPath, 'onnx/run.mjs'));
  });

  it('in Python, with ONNX Runtime or what stands in for it', (context) => {
    if (!python('import numpy, PIL')) context.skip('python3 has no numpy and pillow');
    const standsIn = fileURLToPath(new URL('fixtures', import.meta.url));
    expectSame(run('python3', 'onnx/run.py', python('import onnxruntime') ? {} : { PYTHONPATH: standsIn }));
  });

  it('in Python, with PyTorch', (context) => {
    if (!python('import torch, PIL')) context.skip('python3 has no torch and pillow');
    expectSame(run('python3', 'torch/run.py'));
  });
});

describe('the Python examples', () => {
  it('compile, with and without CLAHE and Ben Graham’s normalization', (context) => {
    if (spawnSync('python3', ['--version']).error) context.skip('python3 is not installed');
    const clahe = { clipLimit: 2, tiles: 8 };
    const data = [{}, { benGraham: true }, { clahe }, { clahe, benGraham: true }];
    const examples = data.flatMap((values) => {
      const config = resolveConfig({ preset: 'demo', file: { origin: 'the test', values: { data: values } } });
      return ['model.onnx', 'network.py'].map((model) => pythonExample({ model, config, facts: {} }));
    });
    expect(new Set(examples).size).toBe(8);
    const code = 'import json, sys\nfor one in json.load(sys.stdin): compile(one, "run.py", "exec")';
    const { stderr, status } = spawnSync('python3', ['-c', code], {
      input: JSON.stringify(examples),
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    expect(status).toBe(0);
  });
});

describe('a model folder', () => {
  beforeEach(() => exportRun({ run: RUN, format: 'web', out: folder }));

  it.each([
    [
      'one bit of the weights differs',
      () =>
        change('model.safetensors', (bytes) => {
          bytes[bytes.length - 1] ^= 1;
          return bytes;
        }),
      'model/damaged',
      'model.safetensors is not what was written: its checksum differs',
    ],
    [
      'the weights are cut',
      () => change('model.safetensors', (bytes) => bytes.subarray(0, 100)),
      'model/damaged',
      'has 100 bytes where',
    ],
    ['a file is missing', () => rmSync(join(folder, 'config.json')), 'model/damaged', 'config.json is missing'],
    [
      'the manifest is cut',
      () => change(MODEL_MANIFEST, (bytes) => bytes.subarray(0, 40)),
      'model/damaged',
      'model.json is not JSON',
    ],
    [
      'the manifest is of a later version',
      () => change(MODEL_MANIFEST, (bytes) => Buffer.from(bytes.toString().replace('"version": 1', '"version": 9'))),
      'model/foreign',
      'has version 9 of the format',
    ],
    [
      'the manifest is another program’s',
      () => writeFileSync(join(folder, MODEL_MANIFEST), '{"modelTopology": {}}'),
      'model/foreign',
      'is not that of a model of gmtl',
    ],
    ['there is no manifest', () => rmSync(join(folder, MODEL_MANIFEST)), 'model/foreign', 'no file model.json'],
    [
      'a file’s name leads elsewhere',
      () =>
        change(MODEL_MANIFEST, (bytes) => Buffer.from(bytes.toString().replace('"config.json"', '"../config.json"'))),
      'model/damaged',
      'is missing',
    ],
  ] as const)('is refused where %s', async (_, damage, code, message) => {
    damage();
    await expect(unpackModel(read)).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
  });
});
