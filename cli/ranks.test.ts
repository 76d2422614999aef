/**
 * Tier: any adapter, built command line. Training over MPI as jobs of several processes: bitwise the same on any number of ranks, and all ranks
 * end together. Skipped, and counted as skipped, for every MPI that is not installed.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { installedMpis } from '../bench/mpi.ts';
import { type LauncherCommand, startGmtl, TINY_SETTINGS, type TrainProcess } from '../bench/trainProcess.ts';
import { LONG_TESTS } from '../kernels-test/long.ts';
import { generateSyntheticIdrid } from '../src/retina/data/synth/index.ts';
import { loadCheckpoint } from '../src/retina/run/checkpoint.ts';
import { readRunLog } from '../src/retina/run/logs.ts';
import { gmtlHere, keepAdapter, writeListWithoutTest } from './testsupport.ts';

keepAdapter();
let root = '';
let data = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'gmtl-ranks-'));
  const drawn = join(root, 'data');
  const counts = { segmentationTrain: 4, segmentationTest: 1, gradingTrain: 6, gradingTest: 2 };
  await generateSyntheticIdrid({ directory: drawn, size: 64, ...counts });
  data = join(root, 'list.json');
  await writeListWithoutTest(drawn, data);
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** Steps of four micro-batches; everything that draws random numbers is on. */
const STEPS = LONG_TESTS ? 20 : 8;
const COMMON = [
  'optimizer.emaDecay=0.9',
  'optimizer.lr=0.01',
  'training.epochs=2',
  `training.stepsPerEpoch=${STEPS / 2}`,
  'training.accumulate=4',
];
const NETWORKS = {
  convnext: [...TINY_SETTINGS, 'model.headDropout=0.3', 'model.decoderDropout=0.2', 'model.dropPath=0.2'],
  'resnet-unet': [
    ...TINY_SETTINGS.filter((setting) => setting.startsWith('data.')),
    'model.architecture=resnet-unet',
    'model.unet={"encoder":{"depths":[1,1,1,1],"widths":[4,4,8,8]},"channels":[8,4,4,4,4],"routerDropout":0.2}',
    'loss.weighting=router',
  ],
} as const;
type Network = keyof typeof NETWORKS;

const words = (network: Network, folder: string, ...more: string[]): string[] => [
  ...['train', '--data', data, '--out', folder],
  ...[...NETWORKS[network], ...COMMON, ...more].flatMap((setting) => ['--set', setting]),
];

/** Runs `gmtl` through a launcher. */
async function finish(arguments_: readonly string[], launcher: LauncherCommand): Promise<string> {
  const run = startGmtl(arguments_, root, launcher);
  expect(await run.ended, run.output()).toEqual({ code: 0, signal: null });
  return run.output();
}

/** Runs it alone, in this process. */
async function finishAlone(arguments_: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await gmtlHere(...arguments_);
  expect(code, stdout + stderr).toBe(0);
}

/** Hashes of the checkpoints' tensors, which name their files, and the rows of both logs without times. */
function outcome(folder: string): object {
  const checkpoints = join(folder, 'checkpoints');
  const files = readdirSync(checkpoints).filter((name) => name.endsWith('.safetensors'));
  const hashes = files.sort().map((name) => [
    name,
    createHash('sha256')
      .update(readFileSync(join(checkpoints, name)))
      .digest('hex'),
  ]);
  const timeless = (name: string) => readRunLog(join(folder, name)).map(({ seconds, waitShare, ...row }) => row);
  return { hashes, batches: timeless('batches.jsonl'), epochs: timeless('epochs.jsonl') };
}

/** What one process makes of a run, trained once. */
const alone = new Map<Network, Promise<object>>();
function trainedAlone(network: Network): Promise<object> {
  let known = alone.get(network);
  if (!known) {
    const folder = join(root, `${network}-alone`);
    known = finishAlone(words(network, folder)).then(() => outcome(folder));
    alone.set(network, known);
  }
  return known;
}

const mpis = installedMpis();

describe.each(['Open MPI', 'MPICH'] as const)('training over %s', (name) => {
  const mpi = mpis.find((each) => each.name === name);
  const test = it.skipIf(!mpi);
  const launch = (ranks: number): LauncherCommand => (mpi as (typeof mpis)[number]).launch(ranks, root);
  const folderOf = (what: string): string => join(root, `${name} ${what}`);
  const steps = (folder: string): number => {
    const log = join(folder, 'batches.jsonl');
    return existsSync(log) ? readFileSync(log, 'utf8').split('\n').length - 1 : 0;
  };
  /** Starts two ranks, and once three steps are logged sends the signal to the one that holds the run. */
  const signalledAfterSteps = async (folder: string, signal: NodeJS.Signals): Promise<TrainProcess> => {
    const run = startGmtl(words('convnext', folder, 'training.checkpointEvery=1'), root, launch(2));
    let over = false;
    void run.ended.then(() => {
      over = true;
    });
    while (steps(folder) < 3 && !over) await new Promise((resolve) => setTimeout(resolve, 10));
    const lock = JSON.parse(await readFile(join(folder, 'run.lock'), 'utf8')) as { pid: number };
    process.kill(lock.pid, signal);
    return run;
  };

  // gmtl sums by the same code over every MPI and on every number of ranks: the short form takes one network on four ranks with the first MPI, and
  // the other on two ranks with the last.
  const [first, last] = [mpis[0], mpis.at(-1)].map((each) => each?.name === name);
  const every = [
    ['convnext', 2],
    ['convnext', 4],
    ['resnet-unet', 2],
    ['resnet-unet', 4],
  ] as const;
  const shared = every.filter(
    ([network, ranks]) => LONG_TESTS || (network === 'convnext' ? first && ranks === 4 : last && ranks === 2),
  );
  const once = it.runIf(mpi && (first || LONG_TESTS));
  test.each(shared)(
    '%s is bitwise the same on %i ranks as in one process, in weights, state and logs',
    async (network, ranks) => {
      const expected = await trainedAlone(network);
      const folder = folderOf(`${network} ${ranks}`);
      const output = await finish(words(network, folder), launch(ranks));
      expect(output).toContain(`ranks    ${ranks}: ${ranks} on `);
      expect(outcome(folder)).toEqual(expected);
      const speeds = readRunLog(join(folder, 'ranks.jsonl'));
      expect(speeds.map(({ epoch, rank }) => [epoch, rank])).toEqual(
        [1, 2].flatMap((epoch) => Array.from({ length: ranks }, (_, rank) => [epoch, rank])),
      );
      for (const { imagesPerSecond } of speeds) expect(imagesPerSecond).toBeGreaterThan(0);
    },
  );

  once(
    'a run that a signal to one rank stopped is saved once, and goes on on another number of ranks bitwise',
    async () => {
      const expected = await trainedAlone('convnext');
      const folder = folderOf('stopped');
      const run = await signalledAfterSteps(folder, 'SIGUSR2');
      const { code } = await run.ended;
      expect(code, run.output()).not.toBe(0);
      const stopped = new RegExp(`Stopped at step (\\d+) of ${STEPS}`).exec(run.output());
      expect(stopped, run.output()).not.toBeNull();
      expect(Number(stopped?.[1])).toBe(steps(folder));
      await finishAlone(['train', '--resume', folder]);
      expect(outcome(folder)).toEqual(expected);
    },
  );

  once('the job ends within seconds when one rank is killed, and its last checkpoint loads', async () => {
    const folder = folderOf('killed');
    const run = await signalledAfterSteps(folder, 'SIGKILL');
    const killed = performance.now();
    const { code } = await run.ended;
    expect(performance.now() - killed).toBeLessThan(20_000);
    expect(code).not.toBe(0);
    const { manifest } = await loadCheckpoint(folder, { name: 'last' });
    expect(manifest?.step).toBeGreaterThanOrEqual(2);
  });

  once(
    'ranks with other settings, and micro-batches that cannot be shared out, are named; nothing is started',
    async () => {
      const folder = folderOf('uneven');
      const uneven = startGmtl([...words('convnext', folder), '--set', 'data.prefetch=2'], root, launch(3));
      expect((await uneven.ended).code).not.toBe(0);
      expect(uneven.output()).toContain('training.accumulate is 4, which cannot be shared out over 3 ranks');
      expect(existsSync(folder)).toBe(false);
      const { words: before, environment } = launch(1);
      const [program, ...one] = before;
      const [first, second] = [1, 2].map((seed) => words('convnext', folder, `training.seed=${seed}`));
      const gmtl = process.argv[0];
      const cli = join(import.meta.dirname, '../dist/cli/main.js');
      const both = { words: [program, ...one, gmtl, cli, ...first, ':', ...one], environment };
      const differing = startGmtl(second, root, both);
      expect((await differing.ended).code).not.toBe(0);
      expect(differing.output()).toContain('nothing was started: the configuration of rank 1 on ');
      expect(existsSync(folder)).toBe(false);
    },
  );
});

describe('training under a launcher whose MPI is another', () => {
  it.skipIf(mpis.length < 2)('says so, instead of training the same run twice', async () => {
    const [one, other] = mpis;
    const library = one.name === 'MPICH' ? 'libmpi.so.40' : 'libmpich.so.12';
    const { words: launcher, environment } = one.launch(2, root);
    const wrong = { words: launcher, environment: { ...environment, GMTL_MPI_LIBRARY: library } };
    const run = startGmtl(words('convnext', join(root, 'wrong')), root, wrong);
    expect((await run.ended).code).not.toBe(0);
    expect(run.output(), other.name).toContain('the launcher and the library are of different MPIs');
    expect(existsSync(join(root, 'wrong'))).toBe(false);
  });

  it.skipIf(mpis.length === 0)('names every library that it tried where there is none', async () => {
    const { words: launcher, environment } = mpis[0].launch(2, root);
    const absent = { words: launcher, environment: { ...environment, GMTL_MPI_LIBRARY: '/nowhere/libmpi.so' } };
    const run = startGmtl(words('convnext', join(root, 'absent')), root, absent);
    expect((await run.ended).code).not.toBe(0);
    expect(run.output()).toMatch(/no MPI library was found[\s\S]*\/nowhere\/libmpi\.so/);
  });
});
