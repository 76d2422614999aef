/**
 * Tier: any adapter, built command line. Whole training runs, repeatable, interruptible and resumable: what is interrupted, what all is compared
 * with and what stops at NaN as child processes, the others in this one, where starting takes half as long.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startGmtl, TINY_SETTINGS } from '../bench/trainProcess.ts';
import { LONG_TESTS } from '../kernels-test/long.ts';
import { torchFileOf } from '../src/engine/io/testsupport.ts';
import { openDataset } from '../src/retina/data/sets/dataset.ts';
import { generateSyntheticIdrid } from '../src/retina/data/synth/index.ts';
import { selectItems } from '../src/retina/domain.ts';
import { loadCheckpoint } from '../src/retina/run/checkpoint.ts';
import { readRunLog } from '../src/retina/run/logs.ts';
import { loadTrainedWeights } from '../src/retina/run/trainedWeights.ts';
import { gmtlHere, keepAdapter, writeListWithoutTest } from './testsupport.ts';

keepAdapter();
let root = '';
let data = '';
/** The same pictures without the testing split. */
let list = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'gmtl-train-'));
  data = join(root, 'data');
  await generateSyntheticIdrid({
    directory: data,
    size: 64,
    segmentationTrain: 4,
    segmentationTest: 1,
    gradingTrain: 6,
    gradingTest: 2,
  });
  list = join(root, 'list.json');
  await writeListWithoutTest(data, list);
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** Everything that draws random numbers is on; two epochs of six steps. */
const SETTINGS = [
  ...TINY_SETTINGS,
  'model.headDropout=0.3',
  'model.decoderDropout=0.2',
  'model.dropPath=0.2',
  'data.augment.colorJitter.brightness=0.1',
  'data.augment.colorJitter.saturation=0.1',
  'optimizer.emaDecay=0.9',
  'optimizer.lr=0.01',
  'training.epochs=2',
  'training.stepsPerEpoch=6',
];

const wordsOn = (source: string, folder: string, ...more: string[]): string[] => [
  ...['train', '--data', source, '--out', folder],
  ...[...SETTINGS, ...more].flatMap((setting) => ['--set', setting]),
];
const words = (folder: string, ...more: string[]): string[] => wordsOn(data, folder, ...more);
/** Trains as `words` do, and ends without scores of test pictures and without a report. */
const unscored = (folder: string, ...more: string[]): string[] => wordsOn(list, folder, ...more);

/** What a finished run left, except times: hashes of the files of tensors and the rows of both logs. */
async function outcome(folder: string): Promise<Record<string, unknown>> {
  const checkpoint = await loadCheckpoint(folder, { name: 'last' });
  const files = checkpoint.manifest?.files;
  const hashes: Record<string, string> = {};
  for (const role of ['weights', 'ema', 'state'] as const) {
    const name = files?.[role]?.name;
    if (!name) throw new Error(`${folder}: no ${role}`);
    hashes[role] = createHash('sha256')
      .update(await readFile(join(folder, 'checkpoints', name)))
      .digest('hex');
  }
  const timeless = (name: string) => readRunLog(join(folder, name)).map(({ seconds, waitShare, time, ...row }) => row);
  const csvSteps = async (name: string): Promise<string[]> =>
    (await readFile(join(folder, name), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => line.split(',')[0]);
  return {
    hashes,
    step: checkpoint.manifest?.step,
    random: checkpoint.manifest?.random,
    sampler: checkpoint.manifest?.sampler,
    metrics: checkpoint.manifest?.metrics,
    batches: timeless('batches.jsonl'),
    epochs: timeless('epochs.jsonl'),
    batchSteps: await csvSteps('batches.csv'),
    epochSteps: await csvSteps('epochs.csv'),
  };
}

async function finish(arguments_: readonly string[]): Promise<string> {
  const run = startGmtl(arguments_, root);
  expect(await run.ended, run.output()).toEqual({ code: 0, signal: null });
  return run.output();
}

/** The same in this process. */
async function finishHere(arguments_: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await gmtlHere(...arguments_);
  expect(code, stdout + stderr).toBe(0);
  return stdout + stderr;
}

/** Runs what must fail in this process. Returns what it printed. */
async function failHere(arguments_: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await gmtlHere(...arguments_);
  expect(code, stdout + stderr).toBe(1);
  return stdout + stderr;
}

/** Waits until the batch log of the run shows `steps`, then interrupts it. Returns what it printed. */
async function interruptAfter(
  arguments_: readonly string[],
  folder: string,
  steps: number,
  signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP' = 'SIGINT',
): Promise<string> {
  const run = startGmtl(arguments_, root);
  const log = join(folder, 'batches.jsonl');
  const poll = async (): Promise<number> =>
    existsSync(log) ? (await readFile(log, 'utf8')).split('\n').length - 1 : 0;
  while ((await poll()) < steps && run.child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 5));
  run.child.kill(signal);
  expect(await run.ended, run.output()).toEqual({
    code: { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }[signal],
    signal: null,
  });
  return run.output();
}

describe('gmtl train', () => {
  let whole: Record<string, unknown>;
  beforeAll(async () => {
    const folder = join(root, 'whole');
    const output = await finish(words(folder));
    expect(output).toContain('Test split');
    const record = [
      'config.json',
      'environment.json',
      'metadata.json',
      'finished.json',
      'misroutes.csv',
      'tensorboard',
    ];
    for (const file of ['test.json', 'test-raw.json', 'curves.png', ...record])
      expect(existsSync(join(folder, file)), file).toBe(true);
    expect(output).toContain('without averaging: ');
    whole = await outcome(folder);
  });

  it('logs every step and epoch, and repeats bitwise from the same seed', async () => {
    expect(whole.batchSteps).toEqual(['step', ...Array.from({ length: 12 }, (_, i) => String(i + 1))]);
    expect(whole.epochSteps).toEqual(['step', '6', '12']);
    // The run below that is interrupted repeats it too.
    if (!LONG_TESTS) return;
    const folder = join(root, 'again');
    await finishHere(words(folder));
    expect(await outcome(folder)).toEqual(whole);
  });

  it('leaves the evaluated weights of the best and the last checkpoint under stamped names', async () => {
    const folder = join(root, 'whole');
    const { files, bestStep } = JSON.parse(await readFile(join(folder, 'finished.json'), 'utf8'));
    for (const [checkpoint, name] of [
      ['best', files.best],
      ['last', files.final],
    ]) {
      expect(name).toMatch(/^(best|final)_model_\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d\.safetensors$/);
      const { ema, manifest } = await loadCheckpoint(folder, { name: checkpoint });
      expect((await loadCheckpoint(join(folder, name))).weights).toEqual(ema);
      if (checkpoint === 'best') expect(manifest?.step).toBe(bestStep);
    }
  });

  it('records what repeating the run takes, and scores the weights beside their averages', async () => {
    const folder = join(root, 'whole');
    const environment = JSON.parse(await readFile(join(folder, 'environment.json'), 'utf8'));
    expect(environment.command.slice(0, 3)).toEqual(['train', '--data', data]);
    expect(environment).toMatchObject({ seed: 42, data: { sha256: expect.stringMatching(/^[0-9a-f]{64}$/) } });
    const rows = readRunLog(join(folder, 'epochs.jsonl'));
    for (const row of rows) {
      expect(row.raw_total).toEqual(expect.any(Number));
      expect(row.raw_total).not.toBe(row.val_total);
    }
  });

  it('ranks the k best, lowers the rate on a plateau and stops early, the same when interrupted', async () => {
    const more = [
      'training.epochs=8',
      'training.stepsPerEpoch=2',
      'training.keepBest=3',
      'training.bestMetric=dice',
      'training.earlyStopping=4',
      'optimizer.schedule=plateau',
      'optimizer.plateauPatience=0',
      // Steps too small to find a lesion: Dice stands still at 0 on every adapter.
      'optimizer.lr=1e-6',
      'optimizer.minLr=0',
      'optimizer.warmupSteps=0',
    ];
    const folder = join(root, 'ranked');
    const output = await finishHere(unscored(folder, ...more));
    expect(output).toContain('no better dice in 4 validations: training ends');
    const rows = readRunLog(join(folder, 'epochs.jsonl'));
    expect(rows.map(({ learningRate }) => learningRate)).toEqual(
      [1e-6, 1e-6, 1e-7, 1e-8, 1e-9].map((rate) => expect.closeTo(rate, 14)),
    );
    const best = rows
      .map(({ step, val_meanDice }) => ({ step, value: val_meanDice as number }))
      .toSorted((a, b) => b.value - a.value)
      .slice(0, 3);
    for (const [rank, { step }] of best.entries()) {
      const name = rank === 0 ? 'best' : `best-${rank + 1}`;
      expect((await loadCheckpoint(folder, { name })).manifest?.step, name).toBe(step);
    }
    expect(JSON.parse(await readFile(join(folder, 'finished.json'), 'utf8'))).toMatchObject({ stoppedEarly: true });
    // Interrupting is tried below; here it would say whether the ranking is kept too.
    if (!LONG_TESTS) return;
    const again = join(root, 'ranked-interrupted');
    await interruptAfter(unscored(again, ...more, 'training.checkpointEvery=1'), again, 5, 'SIGTERM');
    await finishHere(['train', '--resume', again]);
    expect(await outcome(again)).toEqual(await outcome(folder));
  });

  it('refuses a figure that validation does not give, before it reads images', async () => {
    const output = await failHere(words(join(root, 'refused'), 'training.bestMetric=retinopathyQWK'));
    expect(output).toContain('Did you mean "retinopathyQwk"');
    expect(existsSync(join(root, 'refused'))).toBe(false);
  });

  it('cross-validates in folders of their own, does not repeat a finished fold, and summarizes', async () => {
    const folder = join(root, 'folds');
    const short = ['training.epochs=1', 'training.stepsPerEpoch=2', 'training.checkpointEvery=1'];
    const output = await interruptAfter([...unscored(folder, ...short), '--folds', '2'], join(folder, 'fold-1'), 1);
    expect(output).toContain(`The cross-validation goes on with: npx gmtl train --resume ${folder}`);
    expect(existsSync(join(folder, 'summary.json'))).toBe(false);
    const text = await finishHere(['train', '--resume', folder]);
    const summary = JSON.parse(await readFile(join(folder, 'summary.json'), 'utf8'));
    expect(text).toContain(await readFile(join(folder, 'summary.txt'), 'utf8'));
    const losses = [1, 2].map((fold) => {
      const [row] = readRunLog(join(folder, `fold-${fold}`, 'epochs.jsonl'));
      return row.val_total as number;
    });
    expect(summary.figures.val_total.mean).toBeCloseTo((losses[0] + losses[1]) / 2, 10);
    expect(summary.figures.val_total.deviation).toBeCloseTo(Math.abs(losses[0] - losses[1]) / Math.SQRT2, 10);
    const items = await Promise.all(
      [1, 2].map(async (fold) => JSON.parse(await readFile(join(folder, `fold-${fold}`, 'metadata.json'), 'utf8'))),
    );
    expect(items[0]).not.toEqual(items[1]);
    const repeated = await finishHere(['train', '--resume', folder]);
    expect(repeated).toContain('fold 1 of 2 is finished');
    expect(repeated).toContain('fold 2 of 2 is finished');
  });

  it('starts from given weights, reports what matched, and does not do so again on resuming', async () => {
    const folder = join(root, 'initialized');
    const short = ['training.epochs=1', 'training.stepsPerEpoch=1', 'optimizer.layerDecay=0.7'];
    const output = await finishHere([...unscored(folder, ...short), '--init', join(root, 'whole')]);
    const report = JSON.parse(await readFile(join(folder, 'init.json'), 'utf8'));
    expect(report.loadedElements).toBeGreaterThan(0);
    expect(output).toContain('stem');
    expect(await finishHere(['train', '--resume', folder])).not.toContain('stem.0');
  });

  it('starts from a PyTorch file as from the run whose weights it holds', async () => {
    const { weights } = await loadTrainedWeights(join(root, 'whole'));
    const file = join(root, 'whole.pth');
    await writeFile(file, torchFileOf(weights));
    const folder = join(root, 'from-torch');
    const output = await finishHere([
      ...unscored(folder, 'training.epochs=1', 'training.stepsPerEpoch=1', 'optimizer.layerDecay=0.7'),
      ...['--init', file],
    ]);
    expect(output).toContain(`${file}: `);
    const report = async (of: string) => JSON.parse(await readFile(join(root, of, 'init.json'), 'utf8'));
    const [own, torch] = [await report('initialized'), await report('from-torch')];
    expect({ ...torch, file: own.file }).toEqual(own);
  });

  it('interrupted in mid-epoch and resumed, ends as the uninterrupted run did', async () => {
    const folder = join(root, 'interrupted');
    // Rows reach the disk with a checkpoint: at every step here, which changes no number.
    const output = await interruptAfter(words(folder, 'training.checkpointEvery=1'), folder, 2);
    const { manifest } = await loadCheckpoint(folder, { name: 'last' });
    const step = manifest?.step ?? 0;
    expect(step).toBeGreaterThanOrEqual(2);
    expect(step).toBeLessThan(12);
    expect(output).toContain(`Stopped at step ${step} of 12. Go on with: npx gmtl train --resume ${folder}`);
    expect(existsSync(join(folder, 'test.json'))).toBe(false);
    if (LONG_TESTS) await interruptAfter(['train', '--resume', folder], folder, step + 1, 'SIGHUP');
    await finishHere(['train', '--resume', folder]);
    expect(await outcome(folder)).toEqual(whole);
  });

  it('in float16, with a loss scale that grows: interrupted and resumed the same; where the adapter has none, says so and is float32', async () => {
    const half = ['training.precision="f16"', 'training.lossScaleInterval=2', 'training.epochs=1'];
    const output = await finishHere(unscored(join(root, 'half'), ...half));
    const expected = await outcome(join(root, 'half'));
    const scales = (expected.batches as { lossScale: number | null }[]).map(({ lossScale }) => lossScale);
    const { precision } = JSON.parse(await readFile(join(root, 'half', 'environment.json'), 'utf8'));
    if (output.includes('this adapter has no shader-f16: training in f32')) {
      expect([precision, ...new Set(scales)]).toEqual(['f32', null]);
      return;
    }
    expect(precision).toBe('f16');
    // Two finite steps in a row double the scale; a step that is not finite halves it.
    expect(new Set(scales).size).toBeGreaterThan(1);
    expect((expected.random as { lossScale: { scale: number } }).lossScale.scale).toBe(scales.at(-1));
    const folder = join(root, 'half-interrupted');
    await interruptAfter(unscored(folder, ...half, 'training.checkpointEvery=1'), folder, 2);
    await finishHere(['train', '--resume', folder]);
    expect(await outcome(folder)).toEqual(expected);
  });

  it('names the file it cannot decode; with --skip-bad goes on without it and says so', async () => {
    // The picture's header is whole, so training notices the damage only when it decodes the picture.
    const dataset = await openDataset(data, { valFraction: 0.15, seed: 42 });
    const [victim] = selectItems(dataset, 'train', 'classification');
    const bytes = await readFile(victim.imagePath);
    await writeFile(victim.imagePath, bytes.subarray(0, Math.floor(bytes.length / 3)));
    try {
      expect(await failHere(unscored(join(root, 'failing')))).toContain(victim.imagePath);
      const skipping = await finishHere([...unscored(join(root, 'skipping'), 'training.epochs=1'), '--skip-bad']);
      expect(skipping).toContain(`skipped  ${victim.imagePath}`);
      expect((await outcome(join(root, 'skipping'))).step).toBe(6);
    } finally {
      await writeFile(victim.imagePath, bytes);
    }
  });

  it('stops at NaN, naming the step, the op and the batch, and keeps the checkpoint from before', async () => {
    const folder = join(root, 'diverged');
    const wild = ['optimizer.lr=1e30', 'optimizer.schedule="constant"', 'optimizer.warmupSteps=0'];
    // As a program: its exit code tells after an adapter was opened and given back.
    const run = startGmtl(unscored(folder, ...wild, 'training.checkpointEvery=1'), root);
    expect((await run.ended).code, run.output()).toBe(1);
    const output = run.output();
    const [, step] = /error: step (\d+): the loss .* is NaN or infinite/.exec(output) ?? [];
    expect(output).toMatch(/first op with a result that is not finite: \S+ on \[/);
    expect(output.match(/IDRiD_\d+\.jpg/g)?.length).toBeGreaterThanOrEqual(2);
    const { manifest } = await loadCheckpoint(folder, { name: 'last' });
    expect(manifest?.step).toBe(Number(step) - 1);
    expect(manifest?.step).toBeGreaterThan(0);
  });

  it('leaves no temporary files and no lock behind', async () => {
    for (const name of ['whole', 'interrupted', 'skipping']) {
      const files = [
        ...(await readdir(join(root, name))),
        ...(await readdir(join(root, name, 'checkpoints')).catch(() => [])),
      ];
      expect(
        files.filter((file) => /tmp|lock/i.test(file)),
        name,
      ).toEqual([]);
    }
  });
});
