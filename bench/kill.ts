#!/usr/bin/env node
/** Kills a training run over and over, and checks each time that its files are whole and that it can be resumed. */
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { generateSyntheticIdrid } from '../src/retina/data/synth/index.ts';
import { RunFolder } from '../src/retina/run/runFolder.ts';
import { Generator } from '../src/engine/tensor/random.ts';
import { startGmtl, TINY_SETTINGS } from './trainProcess.ts';

export interface KillOptions {
  readonly kills: number;
  /** Folder for data and run; it must exist. */
  readonly folder: string;
  readonly seed?: number;
  /** Longest wait before a kill, in ms, from the network's start or from a new checkpoint. Default 1000. */
  readonly longestMs?: number;
  readonly onKill?: (done: number, step: number) => void;
}

export interface KillReport {
  readonly kills: number;
  /** Kills after which `last` (and `best` where there is one) loaded with every hash right. */
  readonly loaded: number;
  /** Kills after which the resumed process wrote a further checkpoint. */
  readonly advanced: number;
  /** Kills that left files of an unfinished write behind. */
  readonly torn: number;
  readonly lastStep: number;
  /** Rows of the batch log at the end. */
  readonly rows: number;
  readonly seconds: number;
}

/**
 * Trains with a checkpoint at every step and kills the process (SIGKILL) at random moments, over and over. After every kill the
 * checkpoints must load, hashes and all, at a step no earlier than before, and the resumed run must continue. At the end the run is
 * stopped by SIGINT, and the batch log must hold every step once. @throws Error at the first violation.
 */
export async function killRepeatedly(options: KillOptions): Promise<KillReport> {
  const { kills, folder, longestMs = 1000, onKill } = options;
  const generator = new Generator(options.seed ?? 1);
  const started = performance.now();
  const data = join(folder, 'data');
  const run = new RunFolder(join(folder, 'run'));
  const { checkpoints } = run;
  await generateSyntheticIdrid({
    directory: data,
    size: 64,
    segmentationTrain: 3,
    segmentationTest: 1,
    gradingTrain: 5,
    gradingTest: 1,
  });
  const settings = [
    ...TINY_SETTINGS,
    'training.checkpointEvery=1',
    'training.stepsPerEpoch=7',
    'training.epochs=1000000',
    'optimizer.emaDecay=0.9',
  ].flatMap((setting) => ['--set', setting]);
  let words = ['train', '--data', data, '--out', run.path, ...settings];
  let step = 0;
  let loaded = 0;
  let advanced = 0;
  let torn = 0;
  /** Step of the current manifest. Does not read the files it names, which may be replaced at any moment. */
  const savedStep = async (): Promise<number> => (await checkpoints.manifest('last'))?.step ?? 0;
  const stepNow = async (): Promise<number> => {
    const last = await checkpoints.load({ name: 'last' });
    if (checkpoints.has('best')) await checkpoints.load({ name: 'best' });
    return last.manifest?.step ?? 0;
  };
  for (let done = 1; done <= kills + 1; done++) {
    const child = startGmtl(words, folder);
    const fail = (what: string): never => {
      child.child.kill('SIGKILL');
      throw new Error(`kill ${done}: ${what}; the process said:\n${child.output()}`);
    };
    if (!(await child.printed('network '))) fail('the run did not start');
    // Half of the kills come at a random moment after the start, the others during steps and saves.
    if (done === 1 || done > kills || generator.uniform() < 0.5) {
      while ((await savedStep()) <= step) {
        if (child.child.exitCode !== null) fail('the run ended early');
        await sleep(20);
      }
    }
    await sleep(generator.uniform() * longestMs);
    const ending = done > kills ? 'SIGINT' : 'SIGKILL';
    child.child.kill(ending);
    const { code, signal } = await child.ended;
    if (ending === 'SIGKILL' ? signal !== 'SIGKILL' : code !== 130)
      fail(`it ended with code ${code}, signal ${signal}`);
    const present = existsSync(checkpoints.folder) ? await readdir(checkpoints.folder) : [];
    const reached = await stepNow();
    if (reached < step) fail(`the checkpoint went back from step ${step} to ${reached}`);
    if (reached > step) advanced++;
    step = reached;
    if (ending === 'SIGKILL') {
      loaded++;
      if (present.some((name) => !/\.(json|safetensors)$/.test(name))) torn++;
      onKill?.(done, step);
    }
    words = ['train', '--resume', run.path];
  }
  const rows = run.readLog('batches');
  rows.forEach((row, index) => {
    if (row.step !== index + 1) throw new Error(`row ${index + 1} of the batch log is of step ${String(row.step)}`);
  });
  if (rows.length !== step) throw new Error(`the batch log has ${rows.length} rows, the checkpoint is of step ${step}`);
  return {
    kills,
    loaded,
    advanced,
    torn,
    lastStep: step,
    rows: rows.length,
    seconds: (performance.now() - started) / 1000,
  };
}

async function main(): Promise<void> {
  const { kills, seed, keep } = await yargs(hideBin(process.argv))
    .option('kills', { type: 'number', default: 20, describe: 'How often to kill' })
    .option('seed', { type: 'number', default: 1, describe: 'Seed of the moments' })
    .option('keep', { type: 'boolean', default: false, describe: 'Leave the run folder for inspection' })
    .strict()
    .parse();
  const folder = await mkdtemp(join(tmpdir(), 'gmtl-kill-'));
  try {
    const report = await killRepeatedly({
      kills,
      folder,
      seed,
      onKill: (done, step) => {
        if (done % 10 === 0) console.error(`${done} kills, step ${step}`);
      },
    });
    console.log(JSON.stringify(report, null, 2));
  } finally {
    if (keep) console.error(`kept ${folder}`);
    else await rm(folder, { recursive: true, force: true });
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(resolve(process.argv[1])).href) await main();
