import type { CommandModule } from 'yargs';
import { SampleSource } from '../src/retina/data/loading/loader.ts';
import type { Split } from '../src/retina/domain.ts';
import { writeFileAtomic } from '../src/engine/node/atomic.ts';
import { loaderSettings } from '../src/retina/data/loading/settings.ts';
import { buildModel } from '../src/retina/network/build.ts';
import { runProtocol } from '../src/retina/evaluate/protocol.ts';
import { writeCalibration } from '../src/retina/evaluate/calibration.ts';
import { collect } from '../src/retina/evaluate/collect.ts';
import { maskScorer } from '../src/retina/evaluate/masks.ts';
import { openRun, openWeights } from '../src/retina/run/dataset.ts';
import { restoreWeights } from '../src/retina/network/weights.ts';
import { calibratedText, calibrationText, evaluationText } from '../src/retina/evaluate/text.ts';
import { precisionOption, withPrecision } from './precision.ts';
import { withEngine } from '../src/engine/node/createEngine.ts';
import { adapterOption } from './options.ts';

interface EvaluateArguments {
  run: string;
  split: Split;
  checkpoint?: string;
  data?: string;
  weights: 'average' | 'raw';
  frame: 'network' | 'native';
  tta: boolean;
  calibrate: boolean;
  json?: string;
  report?: string;
  pictures?: string;
  precision?: 'f32' | 'f16';
  adapter: string;
}

async function run(args: EvaluateArguments): Promise<void> {
  const { split, frame, tta } = args;
  const opened = await openRun(args.run, args.data);
  const { folder, config, dataset } = opened;
  for (const note of dataset.notes) console.error(`note: ${note}`);
  const checkpoint = await openWeights(folder, args.weights, args.checkpoint);
  await withEngine({ adapter: args.adapter, seed: config.training.seed }, async ({ engine, device }) => {
    const model = buildModel(engine, withPrecision(engine, config, args.precision));
    restoreWeights(model, checkpoint.weights, checkpoint.path);
    const source = new SampleSource(loaderSettings(config));
    // The report code loads a chart library: only where it is used.
    const report = args.report === undefined ? null : await import('../src/retina/evaluate/report.ts');
    const shows = args.report !== undefined || args.pictures !== undefined;
    const { GalleryCollector } = shows ? await import('../src/retina/evaluate/gallery.ts') : {};
    const gallery = GalleryCollector ? new GalleryCollector(config, frame) : null;
    const scorer = maskScorer(engine, model, source, config, { frame, flips: tta });
    const result = await runProtocol(
      dataset,
      (items, thresholds, part) => {
        const isShown = part === 'scores' || split === 'val';
        return collect(engine, model, items, source, config, {
          batchSize: Math.max(config.data.segmentationPerBatch, config.data.classificationPerBatch),
          thresholds,
          lesionLevel: isShown,
          flips: tta,
          ...(scorer && { maskScorer: scorer }),
          ...(isShown && gallery?.listeners),
          onImages: (done, total) => {
            if (!process.stderr.isTTY) return;
            process.stderr.write(`\r${part}: ${done} of ${total} images${done === total ? '\n' : ''}`);
          },
        });
      },
      {
        split,
        calibrate: args.calibrate,
        how: {
          checkpoint: checkpoint.name,
          step: checkpoint.step,
          weights: checkpoint.averaged ? 'average' : 'raw',
          frame,
          flips: tta,
        },
      },
    );
    const step = checkpoint.step === null ? '' : `, step ${checkpoint.step}`;
    const hasGate = config.training.routing !== 'none';
    const masks = frame === 'native' ? 'masks at native resolution' : "masks at the network's resolution";
    const subject = `${split} split, checkpoint '${checkpoint.name}'${step}${checkpoint.averaged ? ', averaged weights' : ''}${tta ? ', mean of four flips' : ''}, ${masks}, on ${device.name}`;
    console.log(evaluationText(result.plain, `PLAIN (thresholds 0.5, temperatures 1): ${subject}`, { hasGate }));
    if (result.calibration) {
      console.log(calibrationText(result.calibration));
      console.log(`written    ${await writeCalibration(folder, result.calibration)}\n`);
    }
    if (result.calibrated) {
      console.log(
        calibratedText(result.calibrated, `CALIBRATED (on validation images, never on these): ${subject}`, { hasGate }),
      );
    }
    for (const note of result.notes) console.log(`note: ${note}`);
    for (const { id, truth, routed, probability } of hasGate ? result.plain.gate.misroutes : []) {
      console.log(`misrouted  ${id}: ${truth} image sent to ${routed} (p = ${probability.toFixed(3)})`);
    }
    for (const { item, reason } of source.skipped.values()) console.error(`skipped    ${item.imagePath}: ${reason}`);
    const { collected: _, ...figures } = result;
    const record = {
      run: folder,
      checkpoint: checkpoint.name,
      step: checkpoint.step,
      weights: checkpoint.averaged ? 'average' : 'raw',
      frame,
      flips: tta,
      adapter: device.name,
      ...figures,
    };
    if (args.json !== undefined) {
      await writeFileAtomic(args.json, `${JSON.stringify(record, null, 2)}\n`);
      console.log(`written    ${args.json}`);
    }
    if (args.report !== undefined && report && gallery) {
      const written = await report.writeReport(args.report, {
        run: opened,
        subject,
        parameters: model.parameterCount(),
        adapter: device.name,
        frame,
        result,
        record,
        gallery,
      });
      for (const path of written) console.log(`written    ${path}`);
    }
    if (args.pictures !== undefined && gallery) {
      const { writeComparisons } = await import('../src/retina/evaluate/comparisons.ts');
      const written = await writeComparisons(
        await gallery.pictures(result.plain, Number.POSITIVE_INFINITY),
        args.pictures,
      );
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
      .option('report', {
        type: 'string',
        describe: 'Folder for report.html, metrics.json, predictions.csv and misroutes.csv',
      })
      .option('json', { type: 'string', describe: 'File for everything that was measured' })
      .option('checkpoint', { type: 'string', describe: "'best' or 'last'. Default: best where there is one" })
      .option('data', { type: 'string', describe: "Where the images are, if not where the run's list says" })
      .option('weights', {
        choices: ['average', 'raw'] as const,
        default: 'average' as const,
        describe: 'The moving average of the weights where the run kept one, or the weights themselves',
      })
      .option('frame', {
        choices: ['network', 'native'] as const,
        default: 'network' as const,
        describe: "Score masks as the network is shown pictures, or in the original pictures' pixels",
      })
      .option('tta', {
        type: 'boolean',
        default: false,
        describe: 'Average the predictions of the picture and its mirror images (four times the work)',
      })
      .option('calibrate', {
        type: 'boolean',
        default: true,
        describe: 'Fit temperatures and thresholds on the validation images (--no-calibrate: do not)',
      })
      .option('pictures', { type: 'string', describe: 'Folder for pictures of truth beside prediction' })
      .option('precision', precisionOption)
      .option('adapter', adapterOption),
  handler: run,
};
