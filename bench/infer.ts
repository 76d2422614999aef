/** `gmtl bench infer`: the rates of decoding alone, of the device alone, of the threads alone and of the pipeline, measured in one run. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { GmtlError } from '../src/engine/errors.ts';
import { mapParallel } from '../src/engine/node/parallel.ts';
import { inferPictures, picturesUnderWay } from '../src/retina/predict/inferPictures.ts';
import type { InferInput } from '../src/retina/predict/inputs.ts';
import { GivenNetwork, type PictureNetwork, type PreparedAs } from '../src/retina/predict/pictureNetwork.ts';
import { PictureThreads } from '../src/retina/predict/pictureThreads.ts';
import type { Prediction } from '../src/retina/predict/prediction.ts';
import type { InferResult } from '../src/retina/predict/result.ts';
import { openResults } from '../src/retina/predict/results.ts';

/** How the pipeline runs, as `InferPicturesOptions` has it. */
export interface InferBenchOptions {
  readonly threads: number;
  readonly batch: number;
  /** The device computes on the cores that decode: a software adapter. */
  readonly sharesCores: boolean;
  readonly onStage?: (stage: string) => void;
}

/** Pictures per second, and how far results in batches are from those of one at a time. */
export interface InferBench {
  readonly pictures: number;
  /** What stands before the device, on the pipeline's threads: reading, decoding, judging whether it can be graded, cropping, resizing, normalizing. */
  readonly decoding: number;
  /** The network on prepared pictures, its answers read back. */
  readonly device: number;
  /** All that the threads do, with answers given at once: also masks onto the frame, regions, warnings, files. */
  readonly threads: number;
  readonly pipeline: number;
  /**
   * The pipeline on a stand-in that takes as long for a batch as the device alone, and no core: what a GPU of that speed would do. Null where the
   * device shares no cores.
   */
  readonly waiting: number | null;
  readonly compared: number;
  /** The largest difference between probabilities; 0: the results are the same, bit for bit. */
  readonly difference: number;
}

const OPTIONS = { choice: 'both', threshold: 0.5, write: { masks: false, overlays: false } } as const;

/** Pictures whose results are compared with those of one at a time. */
const COMPARED = 16;

/**
 * Measures on the pictures, each of which must be readable.
 *
 * @throws GmtlError `bench/pictures` for too few of them, and as `inferPictures`.
 */
export async function benchInfer(
  network: PictureNetwork<PreparedAs>,
  inputs: readonly InferInput[],
  { threads, batch, sharesCores, onStage }: InferBenchOptions,
): Promise<InferBench> {
  const ahead = picturesUnderWay(threads, batch);
  if (inputs.length < 2 * ahead) {
    throw new GmtlError(
      'bench/pictures',
      `${inputs.length} pictures are too few for ${threads} threads and batches of ${batch}: name ${2 * ahead} or more`,
    );
  }
  const folder = await mkdtemp(join(tmpdir(), 'gmtl-bench-'));
  try {
    const { config, source, trainingSet } = network;
    onStage?.('decoding alone');
    const prepared = new GmtlError('bench/prepared', 'the picture is prepared');
    const nowhere = new GivenNetwork(config, source, trainingSet, () => Promise.reject(prepared));
    const decoding = await threadsAlone(nowhere, inputs, folder, threads, ahead, prepared);
    onStage?.('device alone');
    const device = await deviceAlone(network, inputs.length, batch);
    onStage?.('pipeline');
    // Some pictures' answers are kept for the threads alone: masks without a lesion would take no time.
    const answers: Prediction[] = [];
    const watched = new GivenNetwork(config, source, trainingSet, async (images, count, how) => {
      const predictions = await network.predict(images, count, how);
      if (answers.length < COMPARED) answers.push(...structuredClone(predictions));
      return predictions;
    });
    const together = await predict(watched, inputs, join(folder, 'together'), { threads, batch, ahead });
    onStage?.('threads alone');
    let asked = 0;
    const answer = (count: number): Prediction[] =>
      Array.from({ length: count }, () => structuredClone(answers[asked++ % answers.length]));
    const known = new GivenNetwork(config, source, trainingSet, async (_, count) => answer(count));
    const alone = await threadsAlone(known, inputs, join(folder, 'threads'), threads, ahead);
    let waiting: number | null = null;
    if (sharesCores) {
      onStage?.('pipeline on a device that waits');
      let idleFrom = 0;
      const standIn = new GivenNetwork(config, source, trainingSet, async (_, count) => {
        idleFrom = Math.max(idleFrom, performance.now()) + (1000 * count) / device;
        await setTimeout(idleFrom - performance.now());
        return answer(count);
      });
      const { times } = await predict(standIn, inputs, join(folder, 'waiting'), { threads, batch, ahead });
      waiting = rateOf(times, ahead);
    }
    onStage?.('one at a time, to compare');
    const some = inputs.slice(0, COMPARED);
    const single = await predict(network, some, join(folder, 'single'), { threads: 0, batch: 1, ahead: 1 });
    const difference = Math.max(...single.results.map((one, index) => differenceOf(one, together.results[index])));
    const pipeline = rateOf(together.times, ahead);
    return {
      pictures: inputs.length,
      decoding,
      device,
      threads: alone,
      pipeline,
      waiting,
      compared: some.length,
      difference,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Per second, from the moment on at which the first `skipped` were done: threads have started by then, and the device has its programs. */
function rateOf(times: readonly number[], skipped: number): number {
  return (1000 * (times.length - skipped)) / (times[times.length - 1] - times[skipped - 1]);
}

/** The threads' work, with a network that takes no time. @param refusal what it throws: the work ends there. */
async function threadsAlone(
  network: PictureNetwork<PreparedAs>,
  inputs: readonly InferInput[],
  folder: string,
  threads: number,
  ahead: number,
  refusal?: GmtlError,
): Promise<number> {
  const pool = new PictureThreads(threads, network, { ...OPTIONS, folder, tiling: null }, (result) => result);
  const times: number[] = [];
  try {
    await mapParallel(
      inputs,
      async (input) => {
        await pool.look(input).catch((error: unknown) => {
          if (!(error instanceof GmtlError) || error.code !== refusal?.code) throw error;
        });
        times.push(performance.now());
      },
      ahead,
    );
  } finally {
    await pool.close();
  }
  return rateOf(times, ahead);
}

async function deviceAlone(network: PictureNetwork<PreparedAs>, pictures: number, batch: number): Promise<number> {
  const side = network.source.options.preprocess.size;
  const images = new Float32Array(batch * side * side * 3).fill(0.1);
  await network.predict(images, batch, { choice: 'both' });
  const rounds = Math.ceil(pictures / batch);
  const start = performance.now();
  for (let round = 0; round < rounds; round++) await network.predict(images, batch, { choice: 'both' });
  return (1000 * rounds * batch) / (performance.now() - start);
}

async function predict(
  network: PictureNetwork<PreparedAs>,
  inputs: readonly InferInput[],
  folder: string,
  how: { readonly threads: number; readonly batch: number; readonly ahead: number },
): Promise<{ readonly times: number[]; readonly results: InferResult[] }> {
  const times: number[] = [];
  const results: InferResult[] = [];
  await inferPictures(network, inputs, await openResults(folder, inputs), {
    ...OPTIONS,
    ...how,
    tiling: null,
    onPicture: (outcome) => {
      if ('error' in outcome) throw outcome.error;
      times.push(performance.now());
      if (results.length < COMPARED) results.push(outcome.result);
    },
  });
  return { times, results };
}

/** Infinity where anything but probabilities differs. */
function differenceOf(one: InferResult, other: InferResult): number {
  if (JSON.stringify(one) === JSON.stringify(other)) return 0;
  const numbers = ({ gate, retinopathy, edema }: InferResult): number[] => [
    ...Object.values(gate.probabilities),
    ...(retinopathy?.probabilities ?? []),
    ...(edema?.probabilities ?? []),
  ];
  const [a, b] = [numbers(one), numbers(other)];
  const largest = Math.max(...a.map((value, index) => Math.abs(value - b[index])));
  return largest === 0 ? Number.POSITIVE_INFINITY : largest;
}

/** The rates as lines of text. */
export function formatInferBench(bench: InferBench): string {
  const { pictures, decoding, device, threads, pipeline, waiting, compared, difference } = bench;
  const share = (rate: number, of: number): string => `${((100 * rate) / of).toFixed(0)} %`;
  const slower = Math.min(decoding, device);
  const both = 1 / (1 / decoding + 1 / device);
  const rows: [string, string][] = [
    ['pictures', `${pictures}, read and prepared, predicted, written as rows of a table`],
    ['decoding', `${decoding.toFixed(2)} per second alone`],
    ['device', `${device.toFixed(2)} per second alone`],
    ['threads', `${threads.toFixed(2)} per second alone: decoding, and describing results with answers given`],
    ['pipeline', `${pipeline.toFixed(2)} per second: ${share(pipeline, slower)} of the slower of decoding and device`],
    ...(waiting === null
      ? []
      : ([
          [
            '',
            `the adapter is a program on the same cores, which do ${both.toFixed(2)} of both: ${share(pipeline, both)} of that`,
          ],
          [
            'stand-in',
            `${waiting.toFixed(2)} per second with a device as fast that takes no core (it only waits): ${share(waiting, slower)} of the slower`,
          ],
        ] as [string, string][])),
    [
      'results',
      difference === 0
        ? `${compared} compared with one at a time: the same, bit for bit`
        : `${compared} compared with one at a time: ${Number.isFinite(difference) ? `probabilities differ by ${difference} at most` : 'areas of masks differ'}`,
    ],
  ];
  return rows.map(([name, text]) => `${name.padEnd(9)} ${text}`).join('\n');
}
