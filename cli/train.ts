/** `gmtl train`: trains the multitask network, cross-validates it, or goes on with a run. */
import { resolve } from 'node:path';
import type { CommandModule } from 'yargs';
import { GmtlError } from '../src/engine/errors.ts';
import { type Ranks, withRanks } from '../src/engine/node/ranks.ts';
import { presets } from '../src/retina/config/presets.ts';
import { readConfigFile } from '../src/retina/config/file.ts';
import { resolveConfig } from '../src/retina/config/resolve.ts';
import { resumeTraining, startCrossValidation, startTraining } from '../src/retina/train/train.ts';
import { adapterOption } from './options.ts';
import { stoppable } from './stopping.ts';

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
  distributed: boolean;
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

function refuseSettings(args: TrainArguments): void {
  const given = (
    ['preset', 'config', 'out', 'epochs', 'seed', 'weighting', 'routing', 'precision', 'init', 'folds'] as const
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

/** Trains until it is done, or asked to stop and saved where it can be resumed. */
function untilStopped(work: (stop: AbortSignal) => Promise<boolean>): Promise<boolean> {
  return stoppable('Stopping after this step; the run is saved and can be resumed.', work);
}

async function train(args: TrainArguments): Promise<void> {
  await withRanks(args.distributed, (ranks) => trainOn(ranks, args));
}

async function trainOn(ranks: Ranks | null, args: TrainArguments): Promise<void> {
  const { adapter, verify, data, folds } = args;
  if (args.resume !== undefined) {
    refuseSettings(args);
    await untilStopped((stop) => resumeTraining(args.resume!, { data, adapter, verify, stop, ranks }));
    return;
  }
  const preset = args.preset ?? (args.config === undefined && data === undefined ? 'demo' : undefined);
  const file = args.config === undefined ? undefined : await readConfigFile(args.config);
  const config = resolveConfig({ preset, file, overrides: overridesOf(args) });
  const training = { config, data, preset, folder: args.out };
  if (folds === undefined) {
    await untilStopped((stop) => startTraining(training, { adapter, verify, stop, ranks }));
    return;
  }
  if (ranks)
    throw new GmtlError('cli/usage', '--folds trains in one process: start the folds one by one, without a launcher');
  if (verify) throw new GmtlError('cli/usage', '--verify holds one step against its references: leave out --folds');
  await untilStopped((stop) => startCrossValidation(training, folds, { adapter, stop }));
}

export const trainCommand: CommandModule<object, TrainArguments> = {
  command: 'train',
  describe: 'Train the multitask network (without options: a demonstration on synthetic images)',
  builder: (yargs) =>
    yargs
      .option('data', {
        type: 'string',
        describe:
          'IDRiD folder, or a metadata JSON of `gmtl data prepare`. Default: a synthetic set; with --resume: where the images are now',
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
          'Weights to start from: .safetensors, .pt, .pth or .onnx with timm, torchvision or original names, or a run',
      })
      .option('folds', {
        type: 'number',
        describe: 'Cross-validation: train this many folds, each into a folder of its own, and summarize them',
      })
      .option('verify', {
        type: 'boolean',
        default: false,
        describe: 'Only hold every op of the first step against its float64 reference',
      })
      .option('distributed', {
        type: 'boolean',
        default: false,
        describe: 'Train with the other processes of an MPI job; mpirun and srun are recognized without it',
      })
      .option('skip-bad', {
        type: 'boolean',
        default: false,
        describe: 'Leave out unreadable images instead of stopping',
      })
      .option('adapter', adapterOption),
  handler: train,
};
