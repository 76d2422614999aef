import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { CommandModule } from 'yargs';
import type { VerifiedOp } from '../src/autograd/verify.ts';
import { openDataset } from '../src/data/dataset.ts';
import { loadMetadata, writeMetadata } from '../src/data/metadata.ts';
import { generateSyntheticIdrid } from '../src/data/synth/index.ts';
import { type Dataset, LESIONS, selectItems } from '../src/data/types.ts';
import { GmtlError } from '../src/errors.ts';
import type { GpuDevice } from '../src/gpu/device.ts';
import { CHECKPOINT_FOLDER, cleanCheckpoints, loadCheckpoint, type LoadedCheckpoint } from '../src/train/checkpoint.ts';
import { BATCH_COLUMNS, EPOCH_COLUMNS } from '../src/train/columns.ts';
import { resolveConfig, type TrainConfig } from '../src/train/config.ts';
import { evaluate } from '../src/train/evaluate.ts';
import { openRunLogs, readRunLog } from '../src/train/logs.ts';
import { presets } from '../src/train/presets.ts';
import { startProgress } from '../src/train/progress.ts';
import { acquireRunLock, createRunFolder, readRunConfig, writeEnvironment, writeRunConfig } from '../src/train/run.ts';
import { restoreWeights } from '../src/train/state.ts';
import { Trainer } from '../src/train/trainer.ts';
import { writeFileAtomic } from '../src/io/atomic.ts';
import { evaluationText } from './evaluationText.ts';
import { adapterOption, withSession } from './session.ts';

interface TrainArguments {
  data?: string;
  preset?: string;
  config?: string;
  resume?: string;
  out?: string;
  set: string[];
  epochs?: number;
  seed?: number;
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
    ...(args['skip-bad'] ? ['data.skipBad=true'] : []),
  ];
}

interface Prepared {
  readonly folder: string;
  readonly config: TrainConfig;
  readonly dataset: Dataset;
  readonly resume: LoadedCheckpoint | undefined;
}

async function prepareNew(
  args: TrainArguments,
): Promise<Omit<Prepared, 'folder' | 'resume'> & { preset: string | undefined }> {
  const preset = args.preset ?? (args.config === undefined && args.data === undefined ? 'demo' : undefined);
  const config = await resolveConfig({ preset, file: args.config, overrides: overridesOf(args) });
  const source = args.data ?? (await syntheticSet());
  const dataset = await openDataset(source, {
    valFraction: config.data.validationFraction,
    seed: config.training.seed,
  });
  for (const note of dataset.notes) console.error(`note: ${note}`);
  return { config, dataset, preset };
}

async function prepareResumed(folder: string, args: TrainArguments): Promise<Prepared> {
  const given = (['preset', 'config', 'data', 'out', 'epochs', 'seed'] as const).filter(
    (name) => args[name] !== undefined,
  );
  const refused = [...given, ...(args.set.length > 0 ? ['set'] : []), ...(args['skip-bad'] ? ['skip-bad'] : [])];
  if (refused.length > 0) {
    const options = refused.map((name) => `--${name}`).join(', ');
    throw new GmtlError(
      'usage',
      `--resume goes on with the run as it was configured: leave out ${options}, or start a new run`,
    );
  }
  const config = readRunConfig(folder);
  const resume = await loadCheckpoint(folder, { name: 'last' });
  return { folder, config, dataset: await loadMetadata(join(folder, METADATA)), resume };
}

async function train(args: TrainArguments): Promise<void> {
  const resumed = args.resume === undefined ? null : resolve(args.resume);
  let prepared: Prepared;
  if (resumed) {
    prepared = await prepareResumed(resumed, args);
  } else {
    const fresh = await prepareNew(args);
    const run = createRunFolder({ ...(args.out === undefined ? {} : { folder: args.out }), preset: fresh.preset });
    writeRunConfig(run.path, fresh.config);
    await writeMetadata(join(run.path, METADATA), fresh.dataset.items);
    prepared = { ...fresh, folder: run.path, resume: undefined };
  }
  const { folder } = prepared;
  const lock = acquireRunLock(folder);
  try {
    await cleanCheckpoints(join(folder, CHECKPOINT_FOLDER));
    await runTraining(prepared, args.adapter === 'auto' ? prepared.config.adapter : args.adapter, args.verify);
  } finally {
    lock.release();
    // A new run that failed before its first step, or only verified it, holds nothing to resume or to read.
    if (!resumed && isBarren(folder)) rmSync(folder, { recursive: true });
  }
}

/** Refuses a batch beyond the adapter before its pictures are read, which takes minutes for a large one. */
function requireBatchFits(config: TrainConfig, device: GpuDevice): void {
  const { segmentationPerBatch, classificationPerBatch, imageSize } = config.data;
  const count = segmentationPerBatch + classificationPerBatch;
  const bytes = 4 * imageSize ** 2 * Math.max(3 * count, LESIONS.length * segmentationPerBatch);
  const { maxBufferSize, maxStorageBufferBindingSize } = device.target.limits;
  const limit = Math.min(maxBufferSize, maxStorageBufferBindingSize);
  if (bytes > limit) {
    throw new GmtlError(
      'train/batch-too-large',
      `a batch of ${count} images of ${imageSize}x${imageSize} takes ${bytes} bytes, but one buffer of this adapter (${device.name}) ` +
        `holds at most ${limit}: lower data.segmentationPerBatch, data.classificationPerBatch or data.imageSize`,
    );
  }
}

/** Whether a run folder has neither a checkpoint nor a logged step. */
function isBarren(folder: string): boolean {
  const logged = statSync(join(folder, 'batches.jsonl'), { throwIfNoEntry: false })?.size ?? 0;
  return logged === 0 && readdirSync(join(folder, CHECKPOINT_FOLDER)).length === 0;
}

async function runTraining(
  { folder, config, dataset, resume }: Prepared,
  adapter: string,
  verify: boolean,
): Promise<void> {
  await withSession(adapter, config.training.seed, async ({ engine, device, opened }) => {
    requireBatchFits(config, device);
    const counts = (['train', 'val', 'test'] as const).map((split) => `${selectItems(dataset, split).length} ${split}`);
    writeEnvironment(folder, {
      adapter: { name: device.name, kind: opened.kind, reason: opened.reason, vendor: device.info.vendor },
      data: { source: dataset.source, counts: counts.join(', ') },
    });
    console.error(`adapter  ${device.name} (${opened.reason})`);
    console.error(`images   ${counts.join(', ')}`);
    console.error(`run      ${folder}`);
    const logs = openRunLogs(folder, {
      ...(resume?.manifest && { resumeStep: resume.manifest.step }),
      batchColumns: [...BATCH_COLUMNS],
      epochColumns: [...EPOCH_COLUMNS],
    });
    const trainer = new Trainer({
      engine,
      config,
      dataset,
      checkpointFolder: join(folder, CHECKPOINT_FOLDER),
      logs,
      progress: (totalSteps, startStep) =>
        startProgress({ totalSteps, startStep, totalEpochs: config.training.epochs }),
      ...(resume && { resume }),
    });
    console.error(
      `network  ${trainer.model.parameterCount().toLocaleString('en')} parameters, ${trainer.totalSteps} steps`,
    );
    if (verify) {
      console.error('Holding every op of one step against its float64 reference; this takes a while …');
      try {
        reportVerification(await trainer.verify());
      } finally {
        logs.close();
        trainer.dispose();
      }
      return;
    }
    const interrupt = (): void => {
      console.error('\nStopping after this step; the run is saved and can be resumed. (Once more: stop at once.)');
      trainer.requestStop();
      process.once('SIGINT', () => process.exit(130));
    };
    process.once('SIGINT', interrupt);
    process.once('SIGTERM', interrupt);
    try {
      const result = await trainer.run();
      await drawCurves(folder);
      console.error(`waiting for data took ${(100 * result.waitShare).toFixed(1)} % of the time`);
      if (result.interrupted) {
        console.log(
          `Stopped at step ${result.step} of ${trainer.totalSteps}. Go on with: npx gmtl train --resume ${folder}`,
        );
        return;
      }
      await finalReport(folder, config, dataset, trainer, engine);
    } finally {
      for (const { item, reason } of trainer.source.skipped.values())
        console.error(`skipped  ${item.imagePath}: ${reason}`);
      process.removeListener('SIGINT', interrupt);
      process.removeListener('SIGTERM', interrupt);
      logs.close();
      trainer.dispose();
    }
  });
}

/** Beyond what float32 rounding explains in any op of the network. */
const VERIFY_BOUND = 1e-3;

function reportVerification(results: readonly VerifiedOp[]): void {
  const wrong = results.find(({ relativeL2 }) => !(relativeL2 <= VERIFY_BOUND));
  const worst = results.reduce((a, b) => (b.relativeL2 > a.relativeL2 ? b : a));
  if (wrong) {
    const { output, index, got, want } = wrong.element;
    throw new GmtlError(
      'verify/diverged',
      `${wrong.program} on ${wrong.shapes} is the first op that differs from its reference: relative L2 ${wrong.relativeL2.toExponential(2)}, ` +
        `element ${index} of output ${output} is ${got} instead of ${want}. The adapter or its driver computes wrong, or a kernel does: ` +
        'try another --adapter, and please report it',
    );
  }
  console.log(
    `${results.length} op executions agree with their float64 references; the largest relative L2 error is ${worst.relativeL2.toExponential(2)} (${worst.program} on ${worst.shapes}).`,
  );
}

async function finalReport(
  folder: string,
  config: TrainConfig,
  dataset: Dataset,
  trainer: Trainer,
  engine: Parameters<typeof evaluate>[0],
): Promise<void> {
  const test = selectItems(dataset, 'test');
  const best = join(folder, CHECKPOINT_FOLDER, 'best.json');
  const which = existsSync(best) ? 'best' : 'last';
  if (test.length > 0) {
    const checkpoint = await loadCheckpoint(folder, { name: which, roles: ['weights', 'ema'] });
    restoreWeights(trainer.model, checkpoint.ema ?? checkpoint.weights, checkpoint.path);
    const batchSize = Math.max(config.data.segmentationPerBatch, config.data.classificationPerBatch);
    const evaluation = await evaluate(engine, trainer.model, test, trainer.source, config, { batchSize });
    console.log(evaluationText(evaluation, `Test split, checkpoint '${which}'`));
    await writeFileAtomic(join(folder, 'test.json'), `${JSON.stringify(evaluation, null, 2)}\n`);
  }
  console.log(
    `checkpoint  ${join(folder, CHECKPOINT_FOLDER)} (${which}.json; load with gmtl infer --checkpoint ${folder})`,
  );
  console.log(`curves      ${join(folder, 'curves.png')}`);
  console.log(`logs        ${join(folder, 'batches.csv')}, ${join(folder, 'epochs.csv')} (and .jsonl)`);
}

async function drawCurves(folder: string): Promise<void> {
  const rows = readRunLog(join(folder, 'epochs.jsonl'));
  if (rows.length === 0) return;
  // The chart library takes half a second to load: only where it is used.
  const { writeCurves } = await import('../src/report/index.ts');
  const number = (value: unknown): number => (typeof value === 'number' ? value : Number.NaN);
  await writeCurves(
    join(folder, 'curves.png'),
    rows.map((row) => ({
      epoch: number(row.epoch),
      learningRate: number(row.learningRate),
      train: {
        loss: number(row.train_total),
        lossParts: Object.fromEntries(
          ['bce', 'dice', 'retino', 'edema', 'gate'].map((part) => [part, number(row[`train_${part}`])]),
        ),
        gateAccuracy: number(row.train_gateAccuracy),
      },
      validation:
        typeof row.val_total !== 'number'
          ? undefined
          : {
              loss: number(row.val_total),
              lossParts: Object.fromEntries(
                ['bce', 'dice', 'retino', 'edema', 'gate'].map((part) => [part, number(row[`val_${part}`])]),
              ),
              dice: Object.fromEntries(LESIONS.map((lesion) => [lesion, number(row[`val_dice_${lesion}`])])),
              accuracy: { retinopathy: number(row.val_retinoAccuracy), edema: number(row.val_edemaAccuracy) },
              gateAccuracy: number(row.val_gateAccuracy),
            },
    })),
  );
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
        default: [] as string[],
        describe: 'One setting, e.g. --set optimizer.lr=1e-3',
      })
      .option('resume', { type: 'string', describe: 'Run folder to go on with, exactly as if it had never stopped' })
      .option('out', { type: 'string', describe: 'Run folder to make. Default: runs/<time>-<preset>' })
      .option('epochs', { type: 'number', describe: 'Short for --set training.epochs' })
      .option('seed', { type: 'number', describe: 'Short for --set training.seed' })
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
