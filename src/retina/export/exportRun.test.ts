/** Tier: no adapter, slow. Exported models: what is written is read back whole, and a damaged or foreign one is refused. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fromBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema } from 'onnx-buf';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { decodeSafetensors } from '../../engine/io/safetensors.ts';
import { tinyFundus } from '../data/testsupport.ts';
import { MODEL_MANIFEST, unpackModel } from '../run/modelFolder.ts';
import { readIfPresent } from '../../engine/node/atomic.ts';
import { loadTrainedWeights } from '../run/trainedWeights.ts';
import { resolveConfig } from '../config/resolve.ts';
import { pythonExample } from './examples.ts';
import { exportRun } from './exportRun.ts';

const RUN = fileURLToPath(new URL('../../../cli/fixtures/run-0.1', import.meta.url));

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
  it('writes a model, and an example that runs it on a photograph', async () => {
    const written = await exportRun({ run: RUN, format: 'onnx', out: folder, opset: 20 });
    expect(written.map(({ path }) => basename(path))).toEqual(['run.py', 'run.mjs', 'model.onnx']);
    const { opsetImport, metadataProps } = fromBinary(ModelProtoSchema, readFileSync(join(folder, 'model.onnx')));
    expect(opsetImport[0].version).toBe(20n);
    const facts = Object.fromEntries(metadataProps.map(({ key, value }) => [key, value]));
    expect(facts.not_a_medical_device).toContain('not a medical device');
    expect(JSON.parse(facts.labels).retinopathy).toHaveLength(5);
    expect(JSON.parse(facts.preprocessing)).toMatchObject({ size: 32, benGraham: false });
    expect(facts.weights_sha256).toMatch(/^[0-9a-f]{64}$/);
    // The example finds its packages as any program finds those installed beside it.
    symlinkSync(fileURLToPath(new URL('../../../node_modules', import.meta.url)), join(folder, 'node_modules'));
    writeFileSync(join(folder, 'eye.png'), await tinyFundus(1));
    const output = execFileSync(process.execPath, ['run.mjs', 'eye.png'], { cwd: folder, encoding: 'utf8' });
    expect(output).toMatch(/^retinopathy: .+ \(0\.\d{3}\)\nedema: .+\ngate: (segmentation|classification) \(/);
    expect(output).toMatch(/OD: \d+\.\d{4} % of the square\n$/);
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
      'model.json is no JSON',
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
