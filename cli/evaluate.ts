import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { CommandModule } from 'yargs';
import { openDataset } from '../src/data/dataset.ts';
import { SampleSource } from '../src/data/loader.ts';
import { loadMetadata } from '../src/data/metadata.ts';
import { selectItems, type Split } from '../src/data/types.ts';
import { GmtlError } from '../src/errors.ts';
import { writeFileAtomic } from '../src/io/atomic.ts';
import { buildModel, loaderSettings } from '../src/train/build.ts';
import { CHECKPOINT_FOLDER, loadCheckpoint } from '../src/train/checkpoint.ts';
import { evaluate } from '../src/train/evaluate.ts';
import { readRunConfig } from '../src/train/run.ts';
import { restoreWeights } from '../src/train/state.ts';
import { evaluationText } from './evaluationText.ts';
import { adapterOption, withSession } from './session.ts';

interface EvaluateArguments {
  run: string;
  split: Split;
  checkpoint?: string;
  data?: string;
  weights: 'average' | 'raw';
  json?: string;
  pictures?: string;
  adapter: string;
}

async function run(args: EvaluateArguments): Promise<void> {
  const folder = resolve(args.run);
  const config = readRunConfig(folder);
  const dataset =
    args.data === undefined
      ? await loadMetadata(join(folder, 'metadata.json'))
      : await openDataset(args.data, { valFraction: config.data.validationFraction, seed: config.training.seed });
  const items = selectItems(dataset, args.split);
  if (items.length === 0)
    throw new GmtlError('data/empty-split', `${dataset.source}: the ${args.split} split has no images`);
  const name = args.checkpoint ?? (existsSync(join(folder, CHECKPOINT_FOLDER, 'best.json')) ? 'best' : 'last');
  const checkpoint = await loadCheckpoint(folder, { name, roles: ['weights', 'ema'] });
  await withSession(args.adapter, config.training.seed, async ({ engine, device }) => {
    const model = buildModel(engine, config);
    const averaged = args.weights === 'average' && checkpoint.ema;
    restoreWeights(model, averaged || checkpoint.weights, checkpoint.path);
    const source = new SampleSource(loaderSettings(config));
    const batchSize = Math.max(config.data.segmentationPerBatch, config.data.classificationPerBatch);
    const evaluation = await evaluate(engine, model, items, source, config, {
      batchSize,
      onImages: (done, total) => {
        if (process.stderr.isTTY) process.stderr.write(`\r${done} of ${total} images${done === total ? '\n' : ''}`);
      },
    });
    const step = checkpoint.manifest ? `, step ${checkpoint.manifest.step}` : '';
    console.log(
      evaluationText(
        evaluation,
        `${args.split} split, checkpoint '${name}'${step}${averaged ? ', averaged weights' : ''}, on ${device.name}`,
      ),
    );
    for (const { id, truth, routed, probability } of evaluation.gate.misroutes) {
      console.log(`misrouted  ${id}: ${truth} image sent to ${routed} (p = ${probability.toFixed(3)})`);
    }
    for (const { item, reason } of source.skipped.values()) console.error(`skipped    ${item.imagePath}: ${reason}`);
    if (args.json !== undefined) {
      await writeFileAtomic(args.json, `${JSON.stringify(evaluation, null, 2)}\n`);
      console.log(`written    ${args.json}`);
    }
    if (args.pictures !== undefined) {
      // The picture code loads a chart library: only where it is used.
      const { writeComparisons } = await import('../src/infer/comparisons.ts');
      const written = await writeComparisons(engine, model, items, source, args.pictures, 0.5);
      console.log(`written    ${written.length} pictures of truth and prediction in ${args.pictures}`);
    }
    model.dispose();
  });
}

export const evaluateCommand: CommandModule<object, EvaluateArguments> = {
  command: 'evaluate <run>',
  describe: 'Score a trained run on the official test split (or another)',
  builder: (yargs) =>
    yargs
      .positional('run', { type: 'string', demandOption: true, describe: 'Run folder' })
      .option('split', {
        choices: ['test', 'val', 'train'] as const,
        default: 'test' as Split,
        describe: 'Images to score',
      })
      .option('checkpoint', { type: 'string', describe: "'best' or 'last'. Default: best where there is one" })
      .option('data', { type: 'string', describe: "Another data set than the run's own" })
      .option('weights', {
        choices: ['average', 'raw'] as const,
        default: 'average' as const,
        describe: 'The moving average of the weights where the run kept one, or the weights themselves',
      })
      .option('pictures', { type: 'string', describe: 'Folder for pictures of truth beside prediction' })
      .option('json', { type: 'string', describe: 'File for everything that was measured' })
      .option('adapter', adapterOption),
  handler: run,
};
