/** `gmtl worker` and `gmtl enqueue`: a stream of pictures through a queue. */
import { hostname } from 'node:os';
import type { CommandModule, InferredOptionTypes, Options } from 'yargs';
import { GmtlError } from '../src/engine/errors.ts';
import { withEngine } from '../src/engine/node/createEngine.ts';
import { calibrationDoubts } from '../src/retina/evaluate/applyCalibration.ts';
import { adjustBy, type ReferralPolicy, referralPolicy } from '../src/retina/evaluate/referralPolicy.ts';
import { calibrationIfAny, calibrationOf } from '../src/retina/run/calibration.ts';
import type { Calibration } from '../src/retina/run/calibrationFormat.ts';
import { trainingSetOf } from '../src/retina/run/trainingSet.ts';
import { expandFrames } from '../src/retina/predict/frames.ts';
import { parseHealthAddress, serveHealth, WorkerHealth } from '../src/retina/predict/health.ts';
import { Journal, modelHash } from '../src/retina/predict/journal.ts';
import { takeWorkerFolder, type WorkerFolder } from '../src/retina/predict/workerFolder.ts';
import { loadEnsemble, openEnsemble, type TrainedEnsemble } from '../src/retina/predict/openEnsemble.ts';
import { provenanceOf } from '../src/retina/predict/provenance.ts';
import { enqueuePictures, requireQueue, workQueue } from '../src/retina/predict/queue.ts';
import { openResults } from '../src/retina/predict/results.ts';
import { newestRun } from '../src/retina/run/trainedWeights.ts';
import { listInputs } from './infer.ts';
import { inferOptions, leastOf, requireThreshold, sayCalibration, settingsOf, TILINGS } from './inferOptions.ts';
import { showPicture } from './pictureProgress.ts';
import { stoppable } from './stopping.ts';

const queueOptions = {
  queue: { type: 'string', demandOption: true, describe: 'The server of the queue: redis://host:6379' },
  name: { type: 'string', default: 'gmtl', describe: "The queue's name on that server" },
} as const satisfies Record<string, Options>;

const {
  run,
  config,
  weights,
  task,
  threshold,
  calibrated,
  tta,
  tiles,
  masks,
  overlays,
  precision,
  adapter,
  ungradable,
} = inferOptions;
const workerOptions = {
  ...queueOptions,
  ...{ run, config, weights, task, threshold, calibrated, tta, tiles, masks, overlays, precision, adapter, ungradable },
  out: { type: 'string', default: 'infer', describe: 'The results go into OUT/worker-ID' },
  id: {
    type: 'string',
    describe:
      "Tells this worker from others that write below the same OUT, and finds its record when it is started again. Default: the machine's name, with a number from its second worker on",
  },
  drain: { type: 'boolean', default: false, describe: 'End when the queue is empty' },
  health: {
    type: 'string',
    describe:
      'Port of 127.0.0.1, or HOST:PORT, that says over HTTP whether the worker has started (/startupz), lives (/livez), takes work (/readyz), and how far it is (/)',
  },
  'health-stuck-minutes': {
    type: 'number',
    default: 15,
    describe: 'A worker that has pictures in hand and finished none for so long does not live (/livez)',
  },
  'lock-seconds': {
    type: 'number',
    default: 30,
    describe: 'A job whose worker gave no sign of life for so long goes to another; the third time it counts as failed',
  },
} as const satisfies Record<string, Options>;
type WorkerArguments = InferredOptionTypes<typeof workerOptions>;

/** Seconds. Longer than any picture takes; timers of Node overflow at 24 of them. */
const DAY = 86_400;

/** Pictures under way at once: as `gmtl infer`. */
const AHEAD = 4;

async function work(args: WorkerArguments): Promise<void> {
  const { 'lock-seconds': lockSeconds, 'health-stuck-minutes': stuckMinutes } = args;
  requireThreshold(args);
  requireQueue({ url: args.queue, name: args.name });
  if (!(lockSeconds >= 1 && lockSeconds <= DAY)) {
    throw new GmtlError('cli/usage', `--lock-seconds ${lockSeconds}: give 1 to ${DAY}`);
  }
  if (!(stuckMinutes > 0)) {
    throw new GmtlError('cli/usage', `--health-stuck-minutes ${stuckMinutes}: give more than 0`);
  }
  if (args.id !== undefined && !/^[\w.-]+$/.test(args.id)) {
    throw new GmtlError('cli/usage', `--id ${args.id}: it names a folder: letters, digits, dots and dashes`);
  }
  const address = args.health === undefined ? null : parseHealthAddress(args.health);
  const { members, trained, ensemble } = await loadEnsemble(args.run ?? newestRun('runs'), args.config, args.weights);
  const stored = await (args.calibrated === true ? calibrationOf : calibrationIfAny)(trained.path, ensemble);
  const doubts = stored ? calibrationDoubts(stored, { ...trained, flips: args.tta, tiles: args.tiles }) : [];
  const policy = referralPolicy(stored, doubts, args.ungradable);
  const taken = await takeWorkerFolder(args.out, args.id, hostname(), console.error);
  const health = new WorkerHealth({ stuckMinutes });
  try {
    const served = address && (await serveHealth(health, address));
    if (served) console.error(`health   ${served.url}/startupz, /livez, /readyz`);
    await workInto(args, taken, { members, trained, stored, doubts, policy, health });
    await served?.close();
  } finally {
    taken.lock.release();
  }
}

/** What {@link work} has found out. */
interface Prepared extends Pick<TrainedEnsemble, 'members' | 'trained'> {
  readonly stored: Calibration | null;
  readonly doubts: readonly string[];
  readonly policy: ReferralPolicy;
  readonly health: WorkerHealth;
}

/** Works off the queue, and writes into a folder that is this process's. */
async function workInto(
  args: WorkerArguments,
  { folder: out, lock }: WorkerFolder,
  { members, trained, stored, doubts, policy, health }: Prepared,
): Promise<void> {
  const { 'lock-seconds': lockSeconds } = args;
  const calibration = args.calibrated === false ? null : stored;
  const results = await openResults(out, [], true, lock);
  const journal = new Journal(out);
  const trainingSet = trainingSetOf(trained.path);
  for (const { path } of members) console.error(`network  ${path}`);
  sayCalibration(calibration, doubts);
  console.error(`referral ${policy.note}`);
  await withEngine(
    { adapter: args.adapter, seed: trained.config.training.seed },
    async ({ engine, device, opened }) => {
      console.error(`adapter  ${device.name}: ${opened.reason}`);
      const predictor = openEnsemble(engine, members, {
        trainingSet,
        note: console.error,
        precision: args.precision,
      });
      try {
        await stoppable('Stopping after the pictures in hand.', (stop) =>
          workQueue(predictor, { url: args.queue, name: args.name }, results, {
            ...{
              choice: args.task,
              threshold: leastOf(args.threshold, calibration),
              flips: args.tta,
              tiling: TILINGS[args.tiles],
              ungradable: args.ungradable,
            },
            adjust: adjustBy(policy, calibration),
            write: { masks: args.masks, overlays: args.overlays },
            journal,
            model: modelHash(trained.weights, settingsOf(args, trained.config, stored, calibration)),
            ...{ drain: args.drain, lockSeconds, ahead: AHEAD, stop, health },
            provenance: provenanceOf(trained, device.name),
            onPicture: showPicture,
            onNote: (text) => console.error(`note: ${text}`),
          }),
        );
      } finally {
        journal.close();
        predictor.dispose();
      }
    },
  );
  console.error(`results  ${out}`);
}

export const workerCommand: CommandModule<object, WorkerArguments> = {
  command: 'worker',
  describe: 'Take pictures from a queue (Redis or Valkey) and predict as infer does, until stopped',
  builder: (yargs) => yargs.options(workerOptions),
  handler: work,
};

const enqueueOptions = {
  ...queueOptions,
  manifest: inferOptions.manifest,
  recursive: inferOptions.recursive,
} as const satisfies Record<string, Options>;
type EnqueueArguments = InferredOptionTypes<typeof enqueueOptions> & { images?: string[] };

export const enqueueCommand: CommandModule<object, EnqueueArguments> = {
  command: 'enqueue [images..]',
  describe: 'Put pictures into the queue of gmtl worker',
  builder: (yargs) =>
    yargs
      .positional('images', { type: 'string', array: true, describe: 'Image files, or folders of them' })
      .options(enqueueOptions),
  handler: async ({ images = [], manifest, recursive, queue, name }) => {
    requireQueue({ url: queue, name });
    const inputs = await expandFrames(await listInputs(images, manifest, recursive), {});
    const added = await enqueuePictures({ url: queue, name }, inputs);
    console.error(`${added} of ${inputs.length} pictures are new in the queue ${name}`);
  },
};
