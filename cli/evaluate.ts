/** `gmtl evaluate`: scores a trained run. */
import type { CommandModule, InferredOptionTypes, Options } from 'yargs';
import { evaluateRun } from '../src/retina/evaluate/run.ts';
import { adapterOption, flipsOption, precisionOption, weightsOption } from './options.ts';

const evaluateOptions = {
  split: {
    choices: ['test', 'val', 'train'],
    default: 'test',
    describe: 'Images to score',
  },
  report: {
    type: 'string',
    describe:
      'Folder for report.html, metrics.json, predictions.csv, misroutes.csv, confusion matrices and reliability diagrams',
  },
  json: { type: 'string', describe: 'File for everything that was measured' },
  checkpoint: { type: 'string', describe: "'best' or 'last'. Default: best where there is one" },
  data: { type: 'string', describe: "Where the images are, if not where the run's list says" },
  weights: weightsOption,
  frame: {
    choices: ['network', 'native'],
    default: 'network',
    describe: "Score masks as the network is shown pictures, or in the original pictures' pixels",
  },
  tta: flipsOption,
  calibrate: {
    type: 'boolean',
    default: true,
    describe: 'Fit temperatures and thresholds on the validation images (--no-calibrate: do not)',
  },
  set: {
    type: 'string',
    array: true,
    requiresArg: true,
    default: [] as string[],
    describe: 'One setting of referrals, e.g. --set referral.sensitivity=0.95',
  },
  'skip-bad': { type: 'boolean', default: false, describe: 'Leave out images that cannot be used instead of stopping' },
  pictures: { type: 'string', describe: 'Folder for pictures of truth beside prediction' },
  precision: precisionOption,
  adapter: adapterOption,
} as const satisfies Record<string, Options>;

type EvaluateArguments = InferredOptionTypes<typeof evaluateOptions> & { run: string };

async function evaluate({ tta, 'skip-bad': skipBad, ...given }: EvaluateArguments): Promise<void> {
  const { run, split, checkpoint, data, weights, frame, calibrate, set, json, report, pictures } = given;
  await evaluateRun({
    ...{ run, split, checkpoint, data, weights, frame, calibrate, set, json, report, pictures },
    ...{ precision: given.precision, adapter: given.adapter },
    flips: tta,
    skipBad,
    print: console.log,
    note: console.error,
    onImages: (part, done, total) => {
      if (!process.stderr.isTTY) return;
      process.stderr.write(`\r${part}: ${done} of ${total} images${done === total ? '\n' : ''}`);
    },
  });
}

export const evaluateCommand: CommandModule<object, EvaluateArguments> = {
  command: 'evaluate <run>',
  describe: 'Score a trained run on the official test split (or another)',
  builder: (yargs) =>
    yargs
      .positional('run', {
        type: 'string',
        demandOption: true,
        describe: 'Run folder; several, separated by commas, are scored as an ensemble',
      })
      .options(evaluateOptions),
  handler: evaluate,
};
