/** Tier: no adapter. Which name goes where, and what the errors say; shapes only, from networks that never get values. */
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { setEngine } from '../../autograd/currentEngine.ts';
import { Engine } from '../../autograd/engine.ts';
import type { Module } from '../../nn/module.ts';
import { DryBackend } from '../../ops/tapBackend.ts';
import { ConvNeXt, convnext } from '../convnext.ts';
import { resnet } from '../resnet.ts';
import { Unet } from '../unet.ts';
import { detectNaming } from './naming.ts';
import { type InitPlan, interchangeable, planInit } from './plan.ts';
import { formatInitReport } from './report.ts';
import { type Convention, type GoldenModel, type Goldens, readGoldens, shapeIn } from './testsupport.ts';
import { describeTrunk, type ShapeTable } from './trunk.ts';

let goldens: Goldens;
beforeAll(async () => {
  goldens = await readGoldens();
});
beforeEach(() => {
  setEngine(new Engine(new DryBackend()));
});
afterEach(() => {
  setEngine(null);
});

const shapesOf = (module: Module): ShapeTable =>
  new Map([...module.namedTensors()].map(([name, parameter]) => [name, parameter.externalShape]));

function fileOf(model: GoldenModel, convention: Convention, prefix = ''): Map<string, readonly number[]> {
  return new Map(model.tensors.map((tensor) => [prefix + tensor[convention], shapeIn(tensor, convention)]));
}

/** The file's name → ours, of all that is loaded. */
const loaded = (plan: InitPlan): Map<string | null, string | null> =>
  new Map(plan.rows.filter(({ status }) => status === 'loaded').map(({ fileName, name }) => [fileName, name]));

describe('names', () => {
  const prefixes = ['', 'module.', 'model.', 'encoder.', 'encoder.model.', 'module.backbone.', 'trunk.'];
  it.each(prefixes)('are found under the prefix "%s", and go to the parameters that timm names alike', (prefix) => {
    for (const model of ['convnext_tiny', 'convnext_atto'] as const) {
      const golden = goldens.models[model];
      const own = shapesOf(convnext(model === 'convnext_tiny' ? 'tiny' : 'atto', { classes: goldens.classes }));
      for (const convention of ['torchvision', 'timm', 'original'] as const) {
        const plan = planInit('file', fileOf(golden, convention, prefix), own);
        expect(plan.filePrefix).toBe(prefix);
        const want = golden.tensors.map((tensor) => [prefix + tensor[convention], tensor.timm]);
        expect([...loaded(plan)]).toEqual(want);
        expect(want).toHaveLength(own.size);
      }
    }
    const own = shapesOf(resnet('resnet18', { classes: goldens.classes }));
    const plan = planInit('file', fileOf(goldens.models.resnet18, 'torchvision', prefix), own);
    expect([...loaded(plan)].every(([file, name]) => file === prefix + name)).toBe(true);
    expect(loaded(plan).size).toBe(own.size);
  });

  it("reads timm's flattened names, as segmentation_models_pytorch's ConvNeXt encoders have them", () => {
    const flat = new Map(
      [...fileOf(goldens.models.convnext_tiny, 'timm')]
        .filter(([name]) => !name.startsWith('head.'))
        .map(([name, shape]) => [`encoder.model.${name.replace(/^(stem|stages)\./, '$1_')}`, shape]),
    );
    flat.set('decoder.blocks.0.conv1.0.weight', [256, 1152, 3, 3]);
    const plan = planInit('file', flat, shapesOf(convnext('tiny', { classes: 0 })));
    expect(plan.naming).toBe('timm, flattened (features_only)');
    expect(plan.rows.filter(({ status }) => status !== 'loaded')).toEqual([
      {
        fileName: 'decoder.blocks.0.conv1.0.weight',
        name: null,
        shape: [256, 1152, 3, 3],
        status: 'skipped',
        reason: 'this network has nothing of that name',
      },
      ...['weight', 'bias'].map((kind) => ({
        fileName: null,
        name: `head.norm.${kind}`,
        shape: [768],
        status: 'missing',
        reason: 'not in the file; keeps its fresh initialization',
      })),
    ]);
  });

  it('takes a whole U-Net of segmentation_models_pytorch, whose names are the same', () => {
    const own = shapesOf(new Unet({ encoder: 'resnet34', classes: 1 }));
    const plan = planInit('file', own, own);
    expect(loaded(plan).size).toBe(own.size);
    expect([...loaded(plan)].every(([file, name]) => file === name)).toBe(true);
    expect(plan.source.title).toMatch(/^ResNet-34 /);
  });

  it('takes a parameter once where a file has two copies of a network', () => {
    const golden = goldens.models.convnext_tiny;
    const both = new Map([...fileOf(golden, 'original', 'model.'), ...fileOf(golden, 'original', 'model_ema.')]);
    const plan = planInit('file', both, shapesOf(convnext('tiny', { classes: goldens.classes })));
    expect(plan.filePrefix).toBe('model.');
    expect(loaded(plan).size).toBe(golden.tensors.length);
    expect([...loaded(plan).keys()].every((name) => name?.startsWith('model.'))).toBe(true);
    expect(plan.rows).toHaveLength(2 * golden.tensors.length);
  });

  it('tells nothing of names it does not know', () => {
    // torchvision's EfficientNet, VGG and Swin transformer have names that begin alike.
    expect(detectNaming(['features.0.0.weight', 'features.1.0.block.0.0.weight', 'classifier.1.weight'])).toBeNull();
    expect(detectNaming(['features.0.weight', 'features.3.weight'])).toBeNull();
    expect(detectNaming(['layers.0.blocks.0.attn.qkv.weight'])).toBeNull();
  });
});

describe('rows', () => {
  it('leave out what the network has not, each with its reason', () => {
    const golden = goldens.models.convnext_atto;
    const file = fileOf(golden, 'timm');
    file.set('norm_pre.weight', [320]);
    const plan = planInit('file', file, shapesOf(convnext('atto', { classes: 0, headNorm: false })));
    const skipped = plan.rows.filter(({ status }) => status !== 'loaded');
    expect(skipped.map(({ fileName, status, reason }) => `${fileName} ${status}: ${reason}`)).toEqual([
      'head.norm.weight skipped: this network has no norm between pooling and heads',
      'head.norm.bias skipped: this network has no norm between pooling and heads',
      'head.fc.weight skipped: the classifier has 7 outputs; this network has its own heads',
      'head.fc.bias skipped: the classifier has 7 outputs; this network has its own heads',
      "norm_pre.weight skipped: the file's network has its last norm before pooling, this one after it",
    ]);
  });

  it('keep a classifier of another number of outputs', () => {
    const own = shapesOf(resnet('resnet18', { classes: 5 }));
    const plan = planInit('file', fileOf(goldens.models.resnet18, 'timm'), own);
    expect(plan.rows.filter(({ status }) => status !== 'loaded').map(({ name, reason }) => [name, reason])).toEqual([
      ['fc.weight', "the classifier has 7 outputs, this network's has 5: it keeps its fresh initialization"],
      ['fc.bias', "the classifier has 7 outputs, this network's has 5: it keeps its fresh initialization"],
    ]);
    expect(formatInitReport({ ...plan, file: 'a.safetensors', loadedElements: 12 })).toMatch(/^fc +2$/m);
  });

  it('do without counters, which old files lack', () => {
    const file = new Map(
      [...fileOf(goldens.models.resnet18, 'timm')].filter(([name]) => !name.endsWith('num_batches_tracked')),
    );
    const plan = planInit('file', file, shapesOf(resnet('resnet18', { classes: 7 })));
    const missing = plan.rows.filter(({ status }) => status === 'missing');
    expect(missing).toHaveLength(20);
    expect(missing[0].reason).toBe('not in the file; counts from 0');
  });

  it('convert shapes only where the elements stay in order', () => {
    expect(interchangeable([40, 1, 1], [40])).toBe(true);
    expect(interchangeable([160, 40, 1, 1], [160, 40])).toBe(true);
    expect(interchangeable([], [1])).toBe(true);
    expect(interchangeable([160, 40], [40, 160])).toBe(false);
    expect(interchangeable([40, 1, 7, 7], [40, 7, 7])).toBe(false);
    expect(interchangeable([1, 40], [40])).toBe(false);
  });
});

describe('errors', () => {
  const code = (expected: string): object => expect.objectContaining({ code: expected });
  const attempt = (file: ShapeTable, own: ShapeTable): unknown => {
    try {
      planInit('w.safetensors', file, own);
    } catch (error) {
      return error;
    }
    throw new Error('nothing was thrown');
  };

  it('say which variant a file is of, and the first difference with both shapes', () => {
    const file = fileOf(goldens.models.convnext_tiny, 'torchvision');
    const error = attempt(file, shapesOf(convnext('atto', { classes: 0 })));
    expect(error).toEqual(code('init/wrong-variant'));
    const { message } = error as Error;
    expect(message).toContain(
      'looks like ConvNeXt tiny (depths 3, 3, 9, 3; widths 96, 192, 384, 768), under the names of torchvision',
    );
    expect(message).toContain("this network's trunk is ConvNeXt atto (depths 2, 2, 6, 2; widths 40, 80, 160, 320)");
    expect(message).toContain(
      'features.0.0.weight (here stem.0.weight) is [96, 3, 4, 4] in the file, [40, 3, 4, 4] in this network',
    );
    expect(message).toContain("124 of the trunk's 124 tensors do not fit");
  });

  it('refuse a deeper network of the same widths, both ways', () => {
    const [tiny, small] = [shapesOf(convnext('tiny', { classes: 0 })), shapesOf(convnext('small', { classes: 0 }))];
    expect((attempt(tiny, small) as Error).message).toContain(
      'stages.2.blocks.9.conv_dw.weight [384, 1, 7, 7] is not in the file',
    );
    const error = attempt(small, tiny);
    expect(error).toEqual(code('init/wrong-variant'));
    expect((error as Error).message).toContain(
      'stages.2.blocks.9.conv_dw.weight [384, 1, 7, 7] has no place in this network',
    );
  });

  it('refuse other input channels', () => {
    const file = shapesOf(resnet('resnet18', { inChannels: 1 }));
    expect((attempt(file, shapesOf(resnet('resnet18'))) as Error).message).toContain(
      'conv1.weight (here conv1.weight) is [64, 1, 7, 7] in the file, [64, 3, 7, 7] in this network',
    );
  });

  it('say that a file is a ConvNeXt V2, or a ResNet of bottleneck blocks', () => {
    const tiny = shapesOf(convnext('tiny', { classes: 0 }));
    const second = new Map([...tiny].filter(([name]) => !name.endsWith('gamma')));
    second.set('stages.0.blocks.0.mlp.grn.weight', [384]);
    expect((attempt(second, tiny) as Error).message).toContain('it is a ConvNeXt V2');
    const fifty = new Map([
      ['conv1.weight', [64, 3, 7, 7]],
      ['layer1.0.conv1.weight', [64, 64, 1, 1]],
      ['layer1.0.conv2.weight', [64, 64, 3, 3]],
      ['layer1.0.conv3.weight', [256, 64, 1, 1]],
    ]);
    expect((attempt(fifty, shapesOf(resnet('resnet18'))) as Error).message).toContain(
      'looks like ResNet with bottleneck blocks of no named variant',
    );
  });

  it('refuse another architecture, unknown names, no tensors, and a network without a trunk', () => {
    const own = shapesOf(convnext('demo', { classes: 0 }));
    const other = attempt(fileOf(goldens.models.resnet18, 'timm'), own);
    expect(other).toEqual(code('init/wrong-network'));
    expect((other as Error).message).toContain('holds a ResNet-18 (depths 2, 2, 2, 2; widths 64, 128, 256, 512)');
    const swin = attempt(new Map([['layers.0.blocks.0.attn.qkv.weight', [1]]]), own);
    expect(swin).toEqual(code('init/unknown-names'));
    expect((swin as Error).message).toContain('its names (layers.0.blocks.0.attn.qkv.weight)');
    expect((attempt(new Map(), own) as Error).message).toContain('holds no tensors');
    expect(attempt(own, new Map([['gate.0.weight', [2, 2]]]))).toEqual(code('init/no-trunk'));
  });
});

describe('describeTrunk', () => {
  it('names each variant, and the demo, by its shapes alone', () => {
    for (const variant of ['demo', 'atto', 'femto', 'pico', 'nano', 'tiny', 'small', 'base'] as const) {
      expect(describeTrunk(shapesOf(convnext(variant)))?.title).toMatch(new RegExp(`^ConvNeXt ${variant} \\(`));
    }
    for (const [variant, title] of [
      ['resnet18', 'ResNet-18'],
      ['resnet34', 'ResNet-34'],
      ['resnet50', 'ResNet-50'],
    ] as const) {
      expect(describeTrunk(shapesOf(resnet(variant)))?.title).toMatch(new RegExp(`^${title} \\(`));
    }
    const odd = new ConvNeXt({ depths: [1, 1, 1, 1], dims: [4, 6, 7, 8] });
    expect(describeTrunk(shapesOf(odd))?.title).toBe(
      'ConvNeXt of no named variant (depths 1, 1, 1, 1; widths 4, 6, 7, 8)',
    );
  });
});
