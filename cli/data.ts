/** `gmtl data`: prepares, verifies or synthesizes a data set. */
import { SingleBar } from 'cli-progress';
import type { Argv, CommandModule } from 'yargs';
import type { MetadataOptions } from '../src/retina/data/sets/metadata.ts';
import { OTHER_LAYOUTS, type OtherLayout } from '../src/retina/data/sets/otherSets.ts';
import { prepareDataset } from '../src/retina/data/sets/prepare.ts';
import { DEFAULT_SPLIT } from '../src/retina/data/sets/split.ts';
import { generateSyntheticIdrid } from '../src/retina/data/synth/index.ts';
import { passes, verifyDataset } from '../src/retina/data/check/verify.ts';
import { formatVerifyReport, verifyJson } from '../src/retina/data/check/verifyText.ts';
import { printable } from '../src/engine/printable.ts';
import { requireOwn, writeAnnounced } from '../src/retina/report/ownFiles.ts';
import { GmtlError } from '../src/engine/errors.ts';
import { writeFileAtomic } from '../src/engine/node/atomic.ts';
import { writeVerifyPage } from '../src/retina/data/check/verifyPage.ts';

interface ListArguments {
  images: string | undefined;
  test: string | undefined;
}

/** Options for a data set given as a list in System B's form. */
function withListOptions<T>(yargs: Argv<T>): Argv<T & ListArguments> {
  return yargs
    .option('images', {
      type: 'string',
      describe: "For a list in System B's form: folder in which to find images whose paths are another machine's",
    })
    .option('test', {
      type: 'string',
      describe: "For a list in System B's form: a second list, whose images are the testing split",
    });
}

const listOptions = ({ images, test }: ListArguments): MetadataOptions => ({
  ...(images === undefined ? {} : { images }),
  ...(test === undefined ? {} : { test }),
});

interface PrepareArguments extends ListArguments {
  dir: string;
  format: 'gmtl' | 'system-b';
  oversample: number | undefined;
  'join-labels': boolean;
  layout: OtherLayout | undefined;
  output: string;
  'val-fraction': number;
  seed: number;
  leaks: 'drop' | 'refuse' | 'keep';
}

const prepareCommand: CommandModule<object, PrepareArguments> = {
  command: 'prepare <dir>',
  describe: 'Read IDRiD, carve a validation split from its training images and write a metadata JSON',
  builder: (yargs: Argv) =>
    withListOptions(yargs)
      .positional('dir', {
        type: 'string',
        demandOption: true,
        describe: "Folder in the official IDRiD layout, at any nesting; or a list of entries in System B's form",
      })
      .option('output', {
        alias: 'o',
        type: 'string',
        default: 'metadata.json',
        describe: 'The file to write; paths in it are relative to it',
      })
      .option('layout', {
        choices: Object.keys(OTHER_LAYOUTS) as OtherLayout[],
        describe: `How the folder is laid out, if not as IDRiD. ${Object.entries(OTHER_LAYOUTS)
          .map(([name, { about }]) => `${name}: ${about}`)
          .join('; ')}`,
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
      })
      .option('join-labels', {
        type: 'boolean',
        default: false,
        describe: 'Give copies of one picture within a split the labels of both',
      })
      .option('format', {
        choices: ['gmtl', 'system-b'] as const,
        default: 'gmtl' as const,
        describe: "gmtl: every split. system-b: the training split as System B's balanced list",
      })
      .option('oversample', {
        type: 'number',
        describe: 'With --format system-b: how often each segmentation entry stands in the list (default 8)',
      }),
  handler: async ({ dir, output, 'val-fraction': valFraction, seed, leaks, format, oversample, layout, ...rest }) => {
    if (oversample !== undefined && format !== 'system-b') {
      throw new GmtlError(
        'cli/usage',
        '--oversample is for --format system-b; gmtl balances the tasks when it draws batches.',
      );
    }
    const metadata = listOptions(rest);
    const written = await prepareDataset(dir, output, {
      format,
      valFraction,
      seed,
      leaks,
      metadata,
      layout,
      joinLabels: rest['join-labels'],
      ...(oversample === undefined ? {} : { oversample }),
      onNote: (note) => console.warn(`note: ${note}`),
    });
    console.log(`${output}: ${written}`);
  },
};

interface VerifyArguments extends ListArguments {
  dir: string;
  json: string | undefined;
  report: string | undefined;
}

const verifyCommand: CommandModule<object, VerifyArguments> = {
  command: 'verify <dir>',
  describe:
    'Check a data set: files, labels, masks, sizes, duplicates, leaks (exit code 1 on a problem or a leak, or without images)',
  builder: (yargs: Argv) =>
    withListOptions(yargs)
      .positional('dir', {
        type: 'string',
        demandOption: true,
        describe: "Folder in the IDRiD layout, a metadata JSON, or a list in System B's form",
      })
      .option('json', {
        type: 'string',
        describe: 'Also write the findings as JSON to this file; without a name: print them instead of the text',
      })
      .option('report', { type: 'string', describe: 'Also write the findings as one HTML page to this file' }),
  handler: async ({ dir, json, report, ...rest }) => {
    const outputs = [json, report].filter((path) => path !== undefined && path !== '') as string[];
    requireOwn(outputs, 'data verify');
    const progress = progressBar('decoding');
    const options = { onProgress: progress.update, metadata: listOptions(rest) };
    const result = await verifyDataset(dir, options).finally(progress.stop);
    const findings = verifyJson(result);
    await writeAnnounced(outputs, 'data verify', async () => {
      if (json) await writeFileAtomic(json, `${findings}\n`);
      if (report) await writeVerifyPage(report, result);
    });
    console.log(json === '' ? findings : printable(formatVerifyReport(result)));
    // The report above gives the reasons; an exception would only repeat them.
    if (!passes(result)) process.exitCode = 1;
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

/** A bar on standard error that appears with the first step and only on a terminal. */
function progressBar(label: string): { update: (done: number, total: number) => void; stop: () => void } {
  const bar = new SingleBar({
    format: `${label} {bar} {value}/{total}  {eta_formatted} left`,
    clearOnComplete: true,
    noTTYOutput: false,
  });
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
