import { SingleBar } from 'cli-progress';
import type { Argv, CommandModule } from 'yargs';
import { openDataset } from '../src/data/dataset.ts';
import { writeMetadata } from '../src/data/metadata.ts';
import { DEFAULT_SPLIT } from '../src/data/split.ts';
import { generateSyntheticIdrid } from '../src/data/synth/index.ts';
import type { Dataset, Split, Task } from '../src/data/types.ts';
import { verifyDataset } from '../src/data/verify.ts';
import { formatVerifyReport } from '../src/data/verifyreport.ts';
import { GmtlError } from '../src/errors.ts';

interface PrepareArguments {
  dir: string;
  output: string;
  'val-fraction': number;
  seed: number;
  leaks: 'drop' | 'refuse' | 'keep';
}

const prepareCommand: CommandModule<object, PrepareArguments> = {
  command: 'prepare <dir>',
  describe: 'Read IDRiD, carve a validation split from its training images and write a metadata JSON',
  builder: (yargs: Argv) =>
    yargs
      .positional('dir', {
        type: 'string',
        demandOption: true,
        describe: 'Folder in the official IDRiD layout, at any nesting',
      })
      .option('output', {
        alias: 'o',
        type: 'string',
        default: 'metadata.json',
        describe: 'The file to write; paths in it are relative to it',
      })
      .option('val-fraction', {
        type: 'number',
        default: DEFAULT_SPLIT.valFraction,
        describe: 'Share of the training pictures for validation',
      })
      .option('seed', { type: 'number', default: DEFAULT_SPLIT.seed, describe: 'Seed of the validation draw' })
      .option('leaks', {
        choices: ['drop', 'refuse', 'keep'] as const,
        default: DEFAULT_SPLIT.leaks,
        describe: 'Training images that are testing images too: leave them out, stop, or train on them',
      }),
  handler: async ({ dir, output, 'val-fraction': valFraction, seed, leaks }) => {
    const dataset = await openDataset(dir, { valFraction, seed, leaks });
    await writeMetadata(output, dataset.items);
    for (const note of dataset.notes) console.warn(`note: ${note}`);
    console.log(`${output}: ${summarise(dataset)}`);
  },
};

interface VerifyArguments {
  dir: string;
  json: boolean;
}

const verifyCommand: CommandModule<object, VerifyArguments> = {
  command: 'verify <dir>',
  describe: 'Check a data set: files, labels, masks, duplicates, leaks (exit code 1 if anything is wrong)',
  builder: (yargs: Argv) =>
    yargs
      .positional('dir', {
        type: 'string',
        demandOption: true,
        describe: 'Folder in the IDRiD layout, or a metadata JSON',
      })
      .option('json', { type: 'boolean', default: false, describe: 'Print the findings as JSON' }),
  handler: async ({ dir, json }) => {
    const progress = progressBar('decoding');
    const result = await verifyDataset(dir, { onProgress: progress.update }).finally(progress.stop);
    if (json) {
      const problems = result.problems.map(({ code, message }) => ({ code, message }));
      const duplicates = result.duplicates.map((pair) => ({ ...pair, first: pair.first.id, second: pair.second.id }));
      const { coverage, unused, ok } = result;
      const labels = result.labels.map((row) => ({ ...row, unlikely: row.unlikely.map((item) => item.id) }));
      console.log(JSON.stringify({ source: dir, ok, problems, duplicates, labels, coverage, unused }, null, 2));
    } else {
      console.log(formatVerifyReport(result));
    }
    // The report above says why; an exception would only repeat it.
    if (!result.ok) process.exitCode = 1;
  },
};

interface SynthArguments {
  dir: string;
  seed: number;
  size: number;
  'seg-train': number;
  'seg-test': number;
  'cls-train': number;
  'cls-test': number;
}

const synthCommand: CommandModule<object, SynthArguments> = {
  command: 'synth <dir>',
  describe: 'Draw a synthetic data set in the IDRiD layout, for trying things out',
  builder: (yargs: Argv) =>
    yargs
      .positional('dir', { type: 'string', demandOption: true, describe: 'Folder to create' })
      .option('seed', { type: 'number', default: 1, describe: 'The same seed gives the same pictures' })
      .option('size', { type: 'number', default: 256, describe: 'Height of the frames in pixels' })
      .option('seg-train', { type: 'number', default: 24, describe: 'Training images with masks' })
      .option('seg-test', { type: 'number', default: 8, describe: 'Testing images with masks' })
      .option('cls-train', { type: 'number', default: 48, describe: 'Training images with grades' })
      .option('cls-test', { type: 'number', default: 16, describe: 'Testing images with grades' }),
  handler: async ({ dir, seed, size, ...counts }) => {
    const progress = progressBar('drawing');
    const made = await generateSyntheticIdrid({
      directory: dir,
      seed,
      size,
      segmentationTrain: counts['seg-train'],
      segmentationTest: counts['seg-test'],
      gradingTrain: counts['cls-train'],
      gradingTest: counts['cls-test'],
      onProgress: progress.update,
    }).finally(progress.stop);
    console.log(`${made.directory}: ${made.images} images, ${made.masks} masks`);
  },
};

/** `gmtl data …`. */
export const dataCommand: CommandModule = {
  command: 'data <action>',
  describe: 'Prepare, verify or synthesise a data set',
  builder: (yargs: Argv) =>
    yargs
      .command(prepareCommand)
      .command(verifyCommand)
      .command(synthCommand)
      .demandCommand(1, 'Say what to do with the data: prepare, verify or synth.'),
  handler: () => {
    throw new GmtlError(
      'cli/data-action',
      'Say what to do with the data: gmtl data prepare, gmtl data verify or gmtl data synth.',
    );
  },
};

function summarise(dataset: Dataset): string {
  const count = (split: Split, task: Task) =>
    dataset.items.filter((item) => item.split === split && item.task === task).length;
  return (['train', 'val', 'test'] as const)
    .map(
      (split) =>
        `${split} ${count(split, 'segmentation')} segmentation + ${count(split, 'classification')} classification`,
    )
    .join(', ');
}

/** A bar on standard error that appears with the first step and only on a terminal. */
function progressBar(label: string): { update: (done: number, total: number) => void; stop: () => void } {
  const bar = new SingleBar({ format: `${label} {bar} {value}/{total}`, clearOnComplete: true, noTTYOutput: false });
  let running = false;
  return {
    update: (done, total) => {
      if (!running) bar.start(total, done);
      else bar.update(done);
      running = true;
    },
    stop: () => bar.stop(),
  };
}
