/** `gmtl bench infer`: how well decoding and the device work beside each other. */
import type { CommandModule, InferredOptionTypes, Options } from 'yargs';
import { benchInfer, formatInferBench } from '../bench/infer.ts';
import { GmtlError } from '../src/engine/errors.ts';
import { withEngine } from '../src/engine/node/createEngine.ts';
import { openPredictor } from '../src/retina/predict/openPredictor.ts';
import { loadTrainedWeights, newestRun } from '../src/retina/run/trainedWeights.ts';
import { batchFor, listInputs, threadsFor } from './infer.ts';
import { inferOptions } from './inferOptions.ts';

const { run, config, weights, recursive, manifest, threads, batch, precision, adapter } = inferOptions;
const options = {
  run,
  config,
  weights,
  recursive,
  manifest,
  threads,
  batch,
  precision,
  adapter,
} as const satisfies Record<string, Options>;
type InferBenchArguments = InferredOptionTypes<typeof options> & { images?: string[] };

async function bench({ images = [], ...args }: InferBenchArguments): Promise<void> {
  const inputs = await listInputs(images, args.manifest, args.recursive);
  const threadCount = args.threads ?? Math.max(1, threadsFor(inputs.length));
  if (!(Number.isInteger(threadCount) && threadCount >= 1)) {
    throw new GmtlError('cli/usage', `--threads ${threadCount}: give a whole number from 1 on`);
  }
  const trained = await loadTrainedWeights(args.run ?? newestRun('runs'), args.config, args.weights);
  await withEngine({ adapter: args.adapter, seed: 0 }, async ({ engine, device, opened }) => {
    const predictor = openPredictor(engine, { ...trained, note: console.error, precision: args.precision });
    try {
      const batchSize = args.batch ?? batchFor(device.target.deviceClass, inputs.length);
      console.log(`adapter   ${device.name} (${opened.kind})`);
      console.log(`network   ${trained.path}, pictures of ${trained.config.data.imageSize} pixels`);
      console.log(`threads   ${threadCount}; batches of ${batchSize}`);
      const onStage = (stage: string): void => console.error(`${stage} …`);
      const sharesCores = device.target.deviceClass === 'software';
      const how = { threads: threadCount, batch: batchSize, sharesCores, onStage };
      console.log(formatInferBench(await benchInfer(predictor, inputs, how)));
    } finally {
      predictor.dispose();
    }
  });
}

/** `gmtl bench infer`. */
export const benchInferCommand: CommandModule<object, InferBenchArguments> = {
  command: 'infer [images..]',
  describe: 'Time inference on pictures: decoding, the device and the threads alone, and all as a pipeline',
  builder: (yargs) =>
    yargs
      .positional('images', { type: 'string', array: true, describe: 'Image files, or folders of them' })
      .options(options),
  handler: bench,
};
