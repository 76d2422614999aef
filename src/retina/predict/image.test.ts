/** Tier: no adapter, slow. Inference on an image file, on the float64 references. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { setEngine } from '../../engine/autograd/currentEngine.ts';
import { Engine } from '../../engine/autograd/engine.ts';
import { mapMaskToFrame } from '../data/pictures/geometry.ts';
import { decodeImage, preprocessImage } from '../data/pictures/preprocess.ts';
import { imageTensor } from '../data/loading/batch.ts';
import { SampleSource } from '../data/loading/loader.ts';
import { TINY_HEIGHT, TINY_WIDTH, tinyFundus } from '../data/testsupport.ts';
import { STRUCTURES } from '../domain.ts';
import type { MultitaskNet } from '../network/network.ts';
import { ReferenceBackend } from '../../engine/ops/referenceBackend.ts';
import { encodeSafetensors } from '../../engine/io/safetensors.ts';
import { loaderSettings } from '../data/loading/settings.ts';
import { buildModel } from '../network/build.ts';
import { saveCheckpoint } from '../run/checkpoint.ts';
import type { JsonValue } from '../run/checkpointFormat.ts';
import { validateConfig } from '../config/resolve.ts';
import type { TrainConfig } from '../config/schema.ts';
import { Predictor } from './predictor.ts';
import { SYSTEM_A_TILING } from './slidingWindow.ts';
import { tileStarts } from './tileWindow.ts';
import { packWeights } from '../network/weights.ts';
import { inferImage } from './image.ts';
import { summary, suspicions } from './result.ts';
import { collectInputs } from './inputs.ts';
import { loadTrainedWeights, newestRun } from '../run/trainedWeights.ts';
import { resultFiles, writeResults } from './results.ts';
import { countComponents } from '../metrics/components.ts';

const config = validateConfig(
  {
    model: {
      trunk: { depths: [1, 1, 1, 1], dims: [8, 8, 8, 8] },
      decoderChannels: [8, 8, 8, 8],
      gateHidden: 8,
      retinopathyHidden: 8,
      edemaHidden: 8,
      layerScaleInit: 1,
      maskPrior: 0.45,
    },
    data: { imageSize: 32, normalization: 'idrid' },
  },
  'test',
);

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gmtl-infer-'));
  return () => rm(folder, { recursive: true });
});

async function fundusFile(name = 'eye.jpg'): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, await tinyFundus(1));
  return path;
}

describe('inference on an image', () => {
  let engine: Engine;
  let model: MultitaskNet;
  let predictor: Predictor;
  let previous: Engine | null;
  beforeAll(() => {
    engine = new Engine(new ReferenceBackend(), { seed: 0 });
    previous = setEngine(engine);
    model = buildModel(engine, config);
    predictor = predictorOf(config);
  });
  const predictorOf = (own: TrainConfig): Predictor =>
    new Predictor({ engine, model, config: own, source: new SampleSource(loaderSettings(own)) });
  afterAll(() => {
    predictor.dispose();
    model.dispose();
    setEngine(previous);
  });

  it('gives grades, and masks that are the network’s map on the original frame', async () => {
    const file = await fundusFile();
    const { result, masks } = await inferImage(predictor, file, { choice: 'both', threshold: 0.45 });
    expect(result.frame).toEqual({ width: TINY_WIDTH, height: TINY_HEIGHT });
    expect(result.experts).toEqual(['segmentation', 'classification']);
    for (const grade of [result.retinopathy!, result.edema!]) {
      expect(grade.probabilities.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 5);
      expect(grade.probabilities[grade.grade]).toBe(Math.max(...grade.probabilities));
    }
    const { preprocess, normalization } = loaderSettings(config);
    const sample = await preprocessImage(await decodeImage(file), file, preprocess);
    const [prediction] = await predictor.predict(imageTensor(sample, normalization), 1, { choice: 'both' });
    expect(result.crop).toEqual({ left: sample.box.left, top: sample.box.top, size: sample.box.size });
    for (const [index, lesion] of STRUCTURES.entries()) {
      const plane = prediction.masks!.filter((_, at) => at % STRUCTURES.length === index);
      const expected = mapMaskToFrame(plane, sample.box).reduce((sum, value) => sum + (value >= 0.45 ? 1 : 0), 0);
      expect(result.lesions![lesion]!.pixels).toBe(expected);
      expect(result.lesions![lesion]!.share).toBeCloseTo(expected / (TINY_WIDTH * TINY_HEIGHT), 10);
      expect(masks![lesion]).toHaveLength(TINY_WIDTH * TINY_HEIGHT);
    }
    // The untrained network's answer differs between pixels, so that some are in and some are out; else the comparison would be trivial.
    const shares = STRUCTURES.map((lesion) => result.lesions![lesion]!.share);
    expect(Math.max(...shares)).toBeGreaterThan(0);
    expect(Math.min(...shares)).toBeLessThan(1);
  });

  it('repeats the preprocessing of the training, and judges the picture by its own colors', async () => {
    const file = await fundusFile();
    const options = { choice: 'both', threshold: 0.45 } as const;
    const plain = await inferImage(predictor, file, options);
    const normalized = {
      ...config,
      data: { ...config.data, clahe: { clipLimit: 2, tiles: 4 }, benGraham: true },
    };
    const { result, masks } = await inferImage(predictorOf(normalized), file, options);
    expect(result.warnings).toEqual(plain.result.warnings);
    expect(result.crop).toEqual(plain.result.crop);
    expect(result.gate.probability).not.toBe(plain.result.gate.probability);
    const { preprocess, normalization } = loaderSettings(normalized);
    expect(preprocess).toMatchObject({ clahe: { clipLimit: 2, tiles: 4 }, benGraham: true });
    const sample = await preprocessImage(await decodeImage(file), file, preprocess);
    const [prediction] = await predictor.predict(imageTensor(sample, normalization), 1, { choice: 'both' });
    const plane = prediction.masks!.filter((_, at) => at % STRUCTURES.length === 0);
    const expected = Uint8Array.from(mapMaskToFrame(plane, sample.box), (value) => (value >= 0.45 ? 1 : 0));
    expect(Buffer.from(masks![STRUCTURES[0]]!).equals(expected)).toBe(true);
  });

  it('takes masks from native tiles and grades from the whole picture, unless the router fuses both', async () => {
    const file = await fundusFile();
    const options = { choice: 'both', threshold: { EX: 0.4 } } as const;
    const whole = await inferImage(predictor, file, options);
    const tiled = await inferImage(predictor, file, { ...options, tiling: {} });
    expect(whole.result.tiles).toBe(0);
    // A crop of 68 pixels and tiles of 32 that overlap by a quarter.
    expect(tiled.result.tiles).toBe(tileStarts(tiled.result.crop.size, 32, 0.25, 'shift').length ** 2);
    expect(tiled.result.retinopathy).toEqual(whole.result.retinopathy);
    expect(tiled.masks!.OD).toHaveLength(TINY_WIDTH * TINY_HEIGHT);
    expect(STRUCTURES.some((lesion) => !Buffer.from(tiled.masks![lesion]!).equals(whole.masks![lesion]!))).toBe(true);
    const fused = await inferImage(predictor, file, {
      ...options,
      tiling: { ...SYSTEM_A_TILING, source: 48 },
    });
    expect(fused.result.tiles).toBe(4);
    expect(fused.result.retinopathy!.probabilities).not.toEqual(whole.result.retinopathy!.probabilities);
    const configured = structuredClone(config);
    configured.data.tiles.mode = 'on';
    expect((await inferImage(predictorOf(configured), file, options)).result).toEqual(tiled.result);
    const graded = await inferImage(predictorOf(configured), file, { choice: 'classification', threshold: 0.5 });
    expect([graded.masks, graded.result.tiles]).toEqual([null, 0]);
  });

  it('averages mirror images, and routes by their mean', async () => {
    const file = await fundusFile();
    const turned = join(folder, 'mirror.png');
    await sharp(file).flop().png().toFile(turned);
    const plain = join(folder, 'plain.png');
    await sharp(file).png().toFile(plain);
    for (const choice of ['both', 'gate'] as const) {
      const options = { choice, threshold: 0.45, flips: true };
      const [one, other] = [
        (await inferImage(predictor, plain, options)).result,
        (await inferImage(predictor, turned, options)).result,
      ];
      expect(one.experts).toEqual(other.experts);
      expect(one.gate.probability).toBeCloseTo(other.gate.probability, 1);
      expect(one.experts).toHaveLength(choice === 'both' ? 2 : 1);
    }
  });

  it('runs the expert that is asked for, and by the gate just one', async () => {
    const file = await fundusFile();
    const of = async (choice: 'gate' | 'segmentation' | 'classification') =>
      (await inferImage(predictor, file, { choice, threshold: 0.5 })).result;
    const graded = await of('classification');
    expect([graded.lesions, graded.experts]).toEqual([null, ['classification']]);
    const segmented = await of('segmentation');
    expect([segmented.retinopathy, segmented.edema, segmented.experts]).toEqual([null, null, ['segmentation']]);
    const gated = await of('gate');
    expect(gated.experts).toEqual([gated.gate.task]);
    expect(gated.gate.probability).toBe(Math.max(...Object.values(gated.gate.probabilities)));
    expect(summary(gated)).toContain(`eye.jpg: gate ${gated.gate.task}`);
  });

  it('writes 0/255 masks of the frame’s size with an overlay, and removes masks that are no longer true', async () => {
    const file = await fundusFile();
    const out = join(folder, 'out');
    const input = { path: file, name: 'eye' };
    const both = await inferImage(predictor, file, { choice: 'both', threshold: 0.45 });
    const written = await writeResults(out, input, both);
    expect(written).toHaveLength(6);
    for (const lesion of STRUCTURES) {
      const path = resultFiles(out, 'eye').masks[lesion];
      const metadata = await sharp(path).metadata();
      expect([metadata.width, metadata.height, metadata.channels, metadata.depth]).toEqual([96, 64, 1, 'uchar']);
      const pixels = await sharp(path).extractChannel(0).raw().toBuffer();
      expect(pixels.reduce((sum, value) => sum + value, 0)).toBe(255 * both.result.lesions![lesion]!.pixels);
      expect(pixels.every((value) => value === 0 || value === 255)).toBe(true);
    }
    const graded = await inferImage(predictor, file, { choice: 'classification', threshold: 0.5 });
    await writeResults(out, input, graded);
    expect((await readdir(out)).sort()).toEqual(['.gmtl-files.jsonl', 'eye_overlay.png']);
  });

  it('reads alpha, 16 bits, gray and TIFF as what they show', async () => {
    const jpeg = await fundusFile();
    const plain = join(folder, 'plain.png');
    await sharp(jpeg).png().toFile(plain);
    const deep = join(folder, 'deep.png');
    await sharp(jpeg).toColourspace('rgb16').png().toFile(deep);
    expect((await sharp(deep).metadata()).depth).toBe('ushort');
    const clear = join(folder, 'clear.png');
    await sharp(jpeg).ensureAlpha(0.5).png().toFile(clear);
    const tiff = join(folder, 'eye.tif');
    await sharp(jpeg).tiff({ compression: 'lzw' }).toFile(tiff);
    const options = { choice: 'both', threshold: 0.5 } as const;
    const expected = (await inferImage(predictor, plain, options)).result;
    for (const file of [deep, clear, tiff]) {
      const { result } = await inferImage(predictor, file, options);
      expect(result).toEqual({ ...expected, file });
    }
    const gray = join(folder, 'gray.png');
    await sharp(jpeg).grayscale().png().toFile(gray);
    expect((await inferImage(predictor, gray, options)).result.warnings[0]).toMatch(/not reddish/);
    // The picture is 96 pixels wide.
    expect(expected.trust.gradability.reasons.map(({ fault }) => fault)).toEqual(['focus', 'size']);
    expect(expected.warnings).toEqual([expect.stringMatching(/^not gradable: out of focus.*; only 69 pixels across/)]);
  });

  it('refuses a black picture and a damaged one, naming the file', async () => {
    const black = join(folder, 'black.png');
    await sharp({ create: { width: 64, height: 64, channels: 3, background: 'black' } })
      .png()
      .toFile(black);
    const options = { choice: 'gate', threshold: 0.5 } as const;
    await expect(inferImage(predictor, black, options)).rejects.toThrow(/black\.png: no bright disc/);
    const whole = await readFile(await fundusFile());
    const cut = join(folder, 'cut.jpg');
    await writeFile(cut, whole.subarray(0, whole.length / 2));
    await expect(inferImage(predictor, cut, options)).rejects.toThrow(/Cannot decode.*cut\.jpg/);
  });

  it('finds the newest run, reads its weights and asks for the configuration of bare ones', async () => {
    expect(() => newestRun(join(folder, 'runs'))).toThrow(/no trained network.*gmtl train/);
    const weights = await packWeights(model);
    const payload = {
      step: 7,
      epoch: 1,
      config: config as unknown as JsonValue,
      metrics: {},
      sampler: null,
      random: null,
    };
    const ema = new Map(
      [...weights].map(([name, tensor]) => [name, { ...tensor, data: new Float32Array(tensor.data.length).fill(2) }]),
    );
    await saveCheckpoint(join(folder, 'runs', 'one', 'checkpoints'), 'last', { ...payload, weights, ema });
    await mkdir(join(folder, 'runs', 'empty'));
    const run = newestRun(join(folder, 'runs'));
    expect(run).toBe(join(folder, 'runs', 'one'));
    const averaged = await loadTrainedWeights(run);
    expect([averaged.averaged, averaged.step, averaged.config]).toEqual([true, 7, config]);
    expect([...averaged.weights.values()].every(({ data }) => data[0] === 2)).toBe(true);
    const raw = await loadTrainedWeights(run, undefined, 'raw');
    expect([...raw.weights.keys()]).toEqual([...weights.keys()]);
    expect(raw.averaged).toBe(false);

    const bare = join(folder, 'bare.safetensors');
    await writeFile(bare, encodeSafetensors(weights));
    await expect(loadTrainedWeights(bare)).rejects.toThrow(/--config FILE/);
    const file = join(folder, 'config.json');
    await writeFile(file, JSON.stringify(config));
    expect((await loadTrainedWeights(bare, file)).config).toEqual(config);
    await expect(loadTrainedWeights(run, file)).rejects.toThrow(/carries its own configuration/);
    const picture = await fundusFile();
    await expect(loadTrainedWeights(picture)).rejects.toThrow(/eye\.jpg/);
  });
});

describe('collectInputs', () => {
  const put = async (path: string): Promise<string> => {
    await mkdir(join(folder, path, '..'), { recursive: true });
    await writeFile(join(folder, path), 'x');
    return join(folder, path);
  };

  it('expands folders without descending, and tells apart what is called the same', async () => {
    const paths = [await put('a/eye.png'), await put('b/Eye.jpg'), await put('a/eye.tif'), await put('c/b_Eye.png')];
    await put('a/deeper/other.png');
    await put('a/notes.txt');
    const inputs = collectInputs([join(folder, 'a'), paths[1], paths[3], join(folder, 'a', '..', 'b', 'Eye.jpg')]);
    expect(inputs.map(({ path }) => path.slice(folder.length + 1))).toEqual([
      'a/eye.png',
      'a/eye.tif',
      'b/Eye.jpg',
      'c/b_Eye.png',
    ]);
    expect(inputs.map(({ name }) => name)).toEqual(['a_eye', 'a_eye-2', 'b_Eye-2', 'b_Eye']);
  });

  it('refuses what is missing or empty', async () => {
    await put('text/notes.txt');
    await mkdir(join(folder, 'empty'));
    expect(() => collectInputs([])).toThrow(/no image given/);
    expect(() => collectInputs([join(folder, 'empty')])).toThrow(/empty: the folder is empty/);
    expect(() => collectInputs([join(folder, 'text')])).toThrow(/none of its 1 entries is an image/);
    expect(() => collectInputs([join(folder, 'nowhere.png')])).toThrow(/nowhere\.png: no such image or folder/);
  });
});

describe('countComponents', () => {
  const count = (...rows: string[]): number =>
    countComponents(
      Uint8Array.from(rows.join(''), (pixel) => (pixel === '#' ? 1 : 0)),
      rows[0].length,
    ).components;

  it('counts 8-connected regions, also such as only meet later', () => {
    expect(count('....', '....')).toBe(0);
    expect(count('####', '####')).toBe(1);
    expect(count('#..#', '.##.')).toBe(1);
    expect(count('#.#.#', '.....', '#.#.#')).toBe(6);
    expect(count('#.#.#', '#.#.#', '#####')).toBe(1);
    expect(count('...#', '#...')).toBe(2);
    expect(count('#####', '#...#', '#.#.#', '#...#', '#####')).toBe(2);
  });
});

describe('suspicions', () => {
  it('warns of a picture of one color', () => {
    const box = { left: 0, top: 0, size: 32, width: 32, height: 32 };
    const image = Uint8Array.from({ length: 32 * 32 * 3 }, (_, at) => [180, 90, 40][at % 3]);
    expect(suspicions({ size: 32, image, maskBits: null, box })).toEqual([expect.stringMatching(/one uniform area/)]);
    image[0] = 100;
    expect(suspicions({ size: 32, image, maskBits: null, box })).toEqual([]);
  });

  it('warns of a picture much smaller than what the network takes', () => {
    const box = { left: 0, top: 0, size: 10, width: 10, height: 10 };
    const image = Uint8Array.from({ length: 64 * 64 * 3 }, (_, at) => [180, 90, 40 + (at % 20)][at % 3]);
    expect(suspicions({ size: 64, image, maskBits: null, box })).toEqual([expect.stringMatching(/only 10 pixels/)]);
    expect(suspicions({ size: 64, image, maskBits: null, box: { ...box, size: 64 } })).toEqual([]);
  });
});
