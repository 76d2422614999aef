import { existsSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { CommandModule } from 'yargs';
import { openDataset } from '../src/retina/data/sets/dataset.ts';
import { loadMetadata, writeMetadata } from '../src/retina/data/sets/metadata.ts';
import { generateSyntheticIdrid } from '../src/retina/data/synth/index.ts';
import type { Dataset } from '../src/retina/domain.ts';
import { GmtlError } from '../src/engine/errors.ts';
import { bestMetric } from '../src/retina/train/best.ts';
import { loadCheckpoint } from '../src/retina/run/checkpoint.ts';
import { readConfigFile } from '../src/retina/config/file.ts';
import { resolveConfig, type TrainConfig } from '../src/retina/config/resolve.ts';
import { presets } from '../src/retina/config/presets.ts';
import { acquireRunLock, createRunFolder, readRunConfig, writeRunConfig } from '../src/retina/run/runFolder.ts';
import { adapterOption } from './options.ts';
import { isCrossValidation, prepareFolds, trainFolds } from './trainFolds.ts';
import { isBarren, type Prepared, runTraining } from '../src/retina/train/trainRun.ts';

interface TrainArguments {
  data?: string;
  preset?: string;
  config?: string;
  resume?: string;
  out?: string;
  set: string[];
  epochs?: number;
  seed?: number;
  weighting?: string;
  routing?: string;
  precision?: string;
  init?: string;
  folds?: number;
  adapter: string;
  'skip-bad': boolean;
  verify: boolean;
}

const METADATA = 'metadata.json';
const SYNTHETIC_FOLDER = join('data', 'synthetic-idrid');

async function syntheticSet(): Promise<string> {
  if (!existsSync(SYNTHETIC_FOLDER)) console.error(`Making the synthetic IDRiD-layout set in ${SYNTHETIC_FOLDER} …`);
  await generateSyntheticIdrid({ directory: SYNTHETIC_FOLDER });
  return SYNTHETIC_FOLDER;
}

/** Everything given on the command line as `section.knob=value`; the short options win. */
function overridesOf(args: TrainArguments): string[] {
  return [
    ...args.set,
    ...(args.adapter === 'auto' ? [] : [`adapter=${JSON.stringify(args.adapter)}`]),
    ...(args.epochs === undefined ? [] : [`training.epochs=${args.epochs}`]),
    ...(args.seed === undefined ? [] : [`training.seed=${args.seed}`]),
    ...(args.weighting === undefined ? [] : [`loss.weighting=${JSON.stringify(args.weighting)}`]),
    ...(args.routing === undefined ? [] : [`training.routing=${JSON.stringify(args.routing)}`]),
    ...(args.precision === undefined ? [] : [`training.precision=${JSON.stringify(args.precision)}`]),
    ...(args.init === undefined ? [] : [`training.init=${JSON.stringify(resolve(args.init))}`]),
    ...(args['skip-bad'] ? ['data.skipBad=true'] : []),
  ];
}

interface Fresh {
  readonly config: TrainConfig;
  readonly preset: string | undefined;
  /** Opens the data as a configuration splits it. */
  readonly open: (config: TrainConfig) => Promise<Dataset>;
}

async function prepareNew(args: TrainArguments): Promise<Fresh> {
  const preset = args.preset ?? (args.config === undefined && args.data === undefined ? 'demo' : undefined);
  const file = args.config === undefined ? undefined : await readConfigFile(args.config);
  const config = resolveConfig({ preset, file, overrides: overridesOf(args) });
  // Before images are read, which may take minutes.
  bestMetric(config.training.bestMetric);
  const source = args.data ?? (await syntheticSet());
  const open = ({ data, training }: TrainConfig): Promise<Dataset> =>
    openDataset(source, {
      valFraction: data.validationFraction,
      seed: training.seed,
      joinLabels: data.joinLabels,
      folds: data.folds,
      fold: data.fold,
    });
  return { config, preset, open };
}

function refuseSettings(args: TrainArguments): void {
  const given = (
    ['preset', 'config', 'data', 'out', 'epochs', 'seed', 'weighting', 'routing', 'precision', 'init', 'folds'] as const
  ).filter((name) => args[name] !== undefined);
  const refused = [...given, ...(args.set.length > 0 ? ['set'] : []), ...(args['skip-bad'] ? ['skip-bad'] : [])];
  if (refused.length > 0) {
    const options = refused.map((name) => `--${name}`).join(', ');
    throw new GmtlError(
      'cli/usage',
      `--resume goes on with the run as it was configured: leave out ${options}, or start a new run`,
    );
  }
}

async function prepareResumed(folder: string): Promise<Prepared> {
  const config = readRunConfig(folder);
  const resume = await loadCheckpoint(folder, { name: 'last' });
  return { folder, config, dataset: await loadMetadata(join(folder, METADATA)), resume };
}

async function train(args: TrainArguments): Promise<void> {
  const resumed = args.resume === undefined ? null : resolve(args.resume);
  let prepared: Prepared;
  if (resumed) {
    refuseSettings(args);
    if (isCrossValidation(resumed)) return trainFolds(resumed, args.adapter);
    prepared = await prepareResumed(resumed);
  } else {
    const { config, preset, open } = await prepareNew(args);
    if (args.folds !== undefined) {
      if (args.verify)
        throw new GmtlError('cli/usage', '--verify holds one step against its references: leave out --folds');
      return trainFolds(await prepareFolds({ out: args.out, preset }, config, args.folds, open), args.adapter);
    }
    const dataset = await open(config);
    for (const note of dataset.notes) console.error(`note: ${note}`);
    const run = createRunFolder({ ...(args.out === undefined ? {} : { folder: args.out }), preset });
    writeRunConfig(run.path, config);
    await writeMetadata(join(run.path, METADATA), dataset.items);
    prepared = { folder: run.path, config, dataset, resume: undefined };
  }
  const { folder, config } = prepared;
  const lock = acquireRunLock(folder);
  try {
    const adapter = args.adapter === 'auto' ? config.adapter : args.adapter;
    await runTraining(prepared, { adapter, verify: args.verify });
  } finally {
    lock.release();
    // A new run that failed before its first step, or only verified it, holds nothing to resume or to read.
    if (!resumed && isBarren(folder)) rmSync(folder, { recursive: true });
  }
}

export const trainCommand: CommandModule<object, TrainArguments> = {
  command: 'train',
  describe: 'Train the multitask network (without options: a demonstration on synthetic images)',
  builder: (yargs) =>
    yargs
      .option('data', {
        type: 'string',
        describe: 'IDRiD folder, or a metadata JSON of `gmtl data prepare`. Default: a synthetic set',
      })
      .option('preset', { choices: Object.keys(presets), describe: 'Named configuration to start from' })
      .option('config', { type: 'string', describe: 'JSON file of settings that go over the preset' })
      .option('set', {
        type: 'string',
        array: true,
        requiresArg: true,
        default: [] as string[],
        describe: 'One setting, e.g. --set optimizer.lr=1e-3',
      })
      .option('resume', { type: 'string', describe: 'Run folder to go on with, exactly as if it had never stopped' })
      .option('out', { type: 'string', describe: 'Run folder to make. Default: runs/<time>-<preset>' })
      .option('epochs', { type: 'number', describe: 'Short for --set training.epochs' })
      .option('seed', { type: 'number', describe: 'Short for --set training.seed' })
      .option('weighting', { type: 'string', describe: 'Short for --set loss.weighting' })
      .option('routing', { type: 'string', describe: 'Short for --set training.routing' })
      .option('precision', { choices: ['f32', 'f16'] as const, describe: 'Short for --set training.precision' })
      .option('init', {
        type: 'string',
        describe:
          'Weights to start the trunk from: a .safetensors file with timm, torchvision or original names, or a run',
      })
      .option('folds', {
        type: 'number',
        describe: 'Cross-validation: train this many folds, each into a folder of its own, and summarise them',
      })
      .option('verify', {
        type: 'boolean',
        default: false,
        describe: 'Only hold every op of the first step against its float64 reference',
      })
      .option('skip-bad', {
        type: 'boolean',
        default: false,
        describe: 'Leave out unreadable images instead of stopping',
      })
      .option('adapter', adapterOption),
  handler: train,
};
