/** Tier: no adapter. Configurations: how sources merge, what presets say, what is refused. */
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readConfigFile } from './file.ts';
import { describeConfig, parseOverrides, resolveConfig, validateConfig } from './resolve.ts';
import { trainConfigSchema } from './schema.ts';
import { presets } from './presets.ts';
import { untaughtMasksNote } from './taught.ts';

let folder = '';
beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'gmtl-config-'));
});
afterEach(() => fs.rmSync(folder, { recursive: true }));

function fileWith(content: unknown): string {
  const path = join(folder, 'config.json');
  fs.writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

describe('merging', () => {
  test('later sources win: defaults < preset < file < command line', async () => {
    const file = fileWith({ optimizer: { lr: 0.5, minLr: 0.1 }, training: { epochs: 3 } });
    const config = resolveConfig({
      preset: 'demo',
      file: await readConfigFile(file),
      overrides: ['optimizer.lr=0.25'],
    });
    expect(config.optimizer.lr).toBe(0.25);
    expect(config.optimizer.minLr).toBe(0.1);
    expect(config.training.epochs).toBe(3);
    expect(config.training.stepsPerEpoch).toBe(presets.demo.config.training!.stepsPerEpoch);
    expect(config.optimizer.betas).toEqual([0.9, 0.999]);
  });

  test('a named trunk and a custom one replace each other', () => {
    const named = resolveConfig({ preset: 'idrid-128', overrides: ['model.trunk=tiny'] });
    expect(named.model.trunk).toBe('tiny');
    const custom = resolveConfig({
      preset: 'demo',
      overrides: ['model.trunk={"depths":[1,1,1,1],"dims":[8,16,24,32]}'],
    });
    expect(custom.model.trunk).toEqual({ depths: [1, 1, 1, 1], dims: [8, 16, 24, 32] });
  });

  test('overrides are JSON or plain text', () => {
    const items = ['data.augment.scale=[1,2]', 'adapter=swift shader', 'data.cacheDir=null', 'data.clahe=true'];
    expect(parseOverrides(items)).toEqual({
      data: { augment: { scale: [1, 2] }, cacheDir: null, clahe: true },
      adapter: 'swift shader',
    });
    expect(() => parseOverrides(['lr'])).toThrow(/section\.knob=value/);
  });

  test('merging leaves the presets as they were', () => {
    const before = structuredClone(presets);
    resolveConfig({ preset: 'idrid-128', overrides: ['model.trunk.depths=[9,9,9,9]', 'data.imageSize=64'] });
    expect(presets).toEqual(before);
  });

  test('a resolved configuration is complete: it survives JSON and validates to itself', () => {
    for (const preset of Object.keys(presets)) {
      const config = resolveConfig({ preset });
      expect(validateConfig(JSON.parse(JSON.stringify(config)), 'config.json')).toEqual(config);
    }
  });
});

test('the faithful preset keeps the published numbers', () => {
  const { model, data, loss, optimizer, training } = resolveConfig({ preset: 'convnext-gated' });
  expect([model.trunk, model.skipConnections, data.imageSize, training.epochs]).toEqual(['tiny', false, 512, 20]);
  expect(data.segmentationPerBatch + data.classificationPerBatch).toBe(4);
  expect([optimizer.name, optimizer.lr, optimizer.schedule, optimizer.gradClipNorm]).toEqual([
    'adamw',
    1e-4,
    'constant',
    0,
  ]);
  expect([loss.diceSmooth, loss.gateEntropyWeight]).toEqual([1e-5, 0.01]);
});

test('the ResNet U-Net presets keep the published numbers', () => {
  const { model, data, loss, optimizer, training } = resolveConfig({ preset: 'resnet-unet' });
  expect([model.architecture, model.unet.encoder, model.unet.channels]).toEqual([
    'resnet-unet',
    'resnet34',
    [256, 128, 64, 32, 16],
  ]);
  expect([data.imageSize, data.segmentationPerBatch + data.classificationPerBatch]).toEqual([512, 128]);
  expect([loss.segmentationWeight, loss.bceWeight, loss.diceWeight, loss.posWeight, loss.labelSmoothing]).toEqual([
    5, 0.5, 0.5, 12, 0.1,
  ]);
  expect([loss.diceForm, loss.diceSmooth, loss.weighting, loss.routerForm]).toEqual(['batch', 1e-6, 'router', 'held']);
  expect([optimizer.lr, optimizer.weightDecay, optimizer.schedule, optimizer.minLr]).toEqual([
    7e-5,
    0.03,
    'cosine',
    1e-7,
  ]);
  expect([training.epochs, training.earlyStopping, training.bestMetric]).toEqual([100, 10, 'dice']);
  const disc = resolveConfig({ preset: 'resnet-unet-disc' });
  expect([disc.model.structures, disc.model.grades]).toEqual([['OD'], 'retinopathy']);
  const experts = resolveConfig({ preset: 'resnet-unet-experts' });
  expect([experts.model.unet.encoder, experts.model.unet.classifier]).toEqual(['resnet18', 'experts']);
});

describe('refuses, saying why', () => {
  const cases: [string, string[], RegExp][] = [
    [
      'a misspelt knob',
      ['optimizer.weigthDecay=0'],
      /unknown setting "optimizer.weigthDecay" \(from the command line\). Did you mean "optimizer.weightDecay"\?/,
    ],
    ['a knob without its section', ['lr=1'], /unknown setting "lr".*Did you mean "optimizer.lr"\?/],
    ['a misspelt section', ['optimiser.lr=1'], /Did you mean "optimizer"\?/],
    [
      'a deep unknown knob',
      ['data.augment.colorJitter.brightnes=0'],
      /Did you mean "data.augment.colorJitter.brightness"\?/,
    ],
    ['a part of a custom trunk', ['model.trunk.depth=[1,1,1,1]'], /Did you mean "model.trunk.depths"\?/],
    ['something far off', ['model.zzzzzzzz=1'], /Known here: architecture, structures/],
    [
      'ordinal grades with smoothing',
      ['loss.gradeLoss=corn', 'loss.labelSmoothing=0.1'],
      /takes neither labelSmoothing/,
    ],
    ['a fold that is not there', ['data.folds=3', 'data.fold=3'], /data.fold.*counted from 0 to 2/],
    [
      'a wrong size',
      ['data.imageSize=100'],
      /data.imageSize = 100 \(from the command line\): must be a multiple of 32/,
    ],
    ['a wrong type', ['training.epochs=many'], /training.epochs = "many" \(from the command line\)/],
    ['an unknown trunk', ['model.trunk=huge'], /model.trunk = "huge".*expected atto \| femto.*or \{depths, dims\}/],
    ['an empty batch', ['data.segmentationPerBatch=0', 'data.classificationPerBatch=0'], /a batch needs an image/],
    ['a floor above the peak', ['optimizer.minLr=1'], /optimizer.minLr = 1 .*must not exceed optimizer.lr/],
    [
      'a list of another length',
      ['loss.posWeight=[1,2]'],
      /loss.posWeight = \[1,2\].*has 2 numbers for the 5 structures/,
    ],
    ['a section that is not an object', ['model=3'], /model = 3 \(from the command line\)/],
    [
      'a knob of an earlier version',
      ['model.retinoHidden=3'],
      /"model.retinoHidden" .* is called "model.retinopathyHidden" now/,
    ],
    [
      'all knobs of an earlier version at once',
      ['model.retinoHidden=3', 'model.checkpoint=true'],
      /"model.retinopathyHidden" now[\s\S]*"model.recompute" now/,
    ],
    ['a prototype', ['data={"__proto__":{"clahe":true}}'], /unknown setting "data.__proto__"/],
  ];
  test.each(cases)('%s', (_name, overrides, message) => {
    expect(() => resolveConfig({ overrides })).toThrow(message);
  });

  test('the file at fault is named', async () => {
    const file = fileWith({ data: { imageSize: 33 } });
    const values = await readConfigFile(file);
    expect(() => resolveConfig({ preset: 'demo', file: values })).toThrow(`(from ${file})`);
    await expect(readConfigFile(fileWith('{'))).rejects.toThrow(/config.json: no valid JSON/);
    await expect(readConfigFile(fileWith('[]'))).rejects.toThrow(/must hold a JSON object/);
    await expect(readConfigFile(join(folder, 'absent.json'))).rejects.toThrow(/no such file/);
    expect(() => resolveConfig({ preset: 'dmeo' })).toThrow(/Did you mean "demo"\?/);
  });
});

test('every knob is documented, has a default, and can be set by its path', () => {
  const knobs = describeConfig();
  expect(knobs.length).toBeGreaterThan(55);
  const alternatives = ['model.trunk.', 'model.unet.encoder.', 'loss.classWeights.', 'data.clahe.'];
  for (const knob of knobs) {
    expect(knob.description, knob.path).not.toBe('');
    if (alternatives.some((prefix) => knob.path.startsWith(prefix))) continue;
    expect(knob.default, knob.path).toBeDefined();
    const tree = parseOverrides([`${knob.path}=${JSON.stringify(knob.default)}`]);
    expect(validateConfig(tree, 'test')).toEqual(trainConfigSchema.parse({}));
  }
  expect(knobs.find((knob) => knob.path === 'data.imageSize')).toMatchObject({
    type: 'integer, 32 or more',
    default: 256,
  });
});

test('masks that are read and never taught are reported: a gate would read noise', () => {
  const note = (...overrides: string[]) => untaughtMasksNote(resolveConfig({ preset: 'idrid-128', overrides }));
  const [gate, grades, none] = [
    'model.gateFeatures=masks',
    'model.gradeFeatures=findings',
    'data.segmentationPerBatch=0',
  ];
  expect([note(), note(none), note(gate, grades)]).toEqual([null, null, null]);
  expect(note(gate, none)).toMatch(
    /^model\.gateFeatures is masks, but no step teaches masks \(data\.segmentationPerBatch is 0\)/,
  );
  expect(note(gate, grades, 'loss.segmentationWeight=0')).toMatch(
    /^model\.gateFeatures and model\.gradeFeatures are masks and findings, .*\(loss\.segmentationWeight is 0\)/,
  );
  expect(note(gate, none, 'data.joinLabels=true', 'training.routing=both')).toBeNull();
});

test('what is held in memory by its count is bounded, and infinity is called so: training.accumulate=1e15 took 18 GB', () => {
  for (const item of ['training.accumulate=1e15', 'training.accumulate=4097', 'data.prefetch=1e9']) {
    const [knob] = item.split('=');
    expect(() => resolveConfig({ overrides: [item] }), item).toThrow(new RegExp(`${knob} = .*Too big`));
  }
  expect(resolveConfig({ overrides: ['training.accumulate=4096'] }).training.accumulate).toBe(4096);
  expect(() => resolveConfig({ overrides: ['optimizer.lr=1e999'] })).toThrow(/optimizer\.lr = Infinity/);
});
