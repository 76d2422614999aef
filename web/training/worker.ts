/** Trains the demonstration network away from the page, step by step, and shows what it has learnt. */
import { setEngine } from '../../src/engine/autograd/currentEngine.ts';
import { Engine } from '../../src/engine/autograd/engine.ts';
import { createBrowserDevice } from '../../src/engine/gpu/browserDevice.ts';
import { decodeSafetensors, encodeSafetensors } from '../../src/engine/io/safetensors.ts';
import { GpuBackend } from '../../src/engine/ops/gpuBackend.ts';
import { resolveConfig } from '../../src/retina/config/resolve.ts';
import { loaderSettings } from '../../src/retina/data/loading/settings.ts';
import { STRUCTURES, TASK_INDEX } from '../../src/retina/domain.ts';
import { packWeights, restoreWeights } from '../../src/retina/network/weights.ts';
import type { PreparedAs } from '../../src/retina/predict/pictureNetwork.ts';
import { Predictor } from '../../src/retina/predict/predictor.ts';
import { routeOf } from '../../src/retina/predict/prediction.ts';
import { packOptimizer, restoreOptimizer } from '../../src/retina/train/state.ts';
import { buildSampler, buildTrainingParts, type TrainingParts } from '../../src/retina/train/trainingParts.ts';
import { failureOf } from '../shared/failure.ts';
import type { StepEvent, TrainingCommand, TrainingEvent } from './messages.ts';
import { batchOf, type Drawn, drawPictures } from './pictures.ts';
import { forgetTraining, loadTraining, saveTraining } from './storage.ts';

const TRAIN_PICTURES = 16;
const SHOWN_PICTURES = 4;
const SHOW_EVERY = 10;
const SAVE_EVERY = 50;
const VERSION = `${GMTL_VERSION} demo 1`;

const config = resolveConfig({ preset: 'demo', overrides: ['optimizer.emaDecay=0'] });
const settings = loaderSettings(config);
const say = (event: TrainingEvent): void => postMessage(event);

/** All that training works with. */
interface Opened {
  readonly parts: TrainingParts;
  readonly predictor: Predictor<PreparedAs>;
  readonly training: readonly Drawn[];
  readonly held: readonly Drawn[];
  readonly sampler: ReturnType<typeof buildSampler>;
}

let opened: Opened | null = null;
let step = 0;
let learningRate = config.optimizer.lr;
let history: StepEvent[] = [];
let wantsToRun = false;
let wantsToKeep = false;

async function open(anew: boolean): Promise<void> {
  const forgotten = await (anew ? forgetTraining() : Promise.resolve()).then(
    () => true,
    () => false,
  );
  const total = 2 * (TRAIN_PICTURES + SHOWN_PICTURES);
  let done = 0;
  const onDrawn = (): void => say({ kind: 'preparing', text: 'Drawing pictures of retinas …', share: ++done / total });
  const { device } = await createBrowserDevice();
  const engine = new Engine(new GpuBackend(device), { seed: config.training.seed });
  setEngine(engine);
  const draw = (task: 'segmentation' | 'classification', split: 'train' | 'val', count: number) =>
    drawPictures(task, split, count, settings.preprocess, onDrawn);
  const training = [
    ...(await draw('segmentation', 'train', TRAIN_PICTURES)),
    ...(await draw('classification', 'train', TRAIN_PICTURES)),
  ];
  const held = [
    ...(await draw('segmentation', 'val', SHOWN_PICTURES)),
    ...(await draw('classification', 'val', SHOWN_PICTURES)),
  ];
  const items = training.map(({ item }) => item);
  const parts = buildTrainingParts(engine, config, items, Number.MAX_SAFE_INTEGER);
  parts.model.train();
  const predictor = new Predictor<PreparedAs>({ engine, model: parts.model, config, source: { options: settings } });
  opened = { parts, predictor, training, held, sampler: buildSampler(config, items) };
  const saved = anew ? null : await loadTraining(VERSION).catch(() => null);
  if (saved) restore(opened, saved);
  const parameters = [...parts.model.namedParameters('')].reduce((sum, [, tensor]) => sum + tensor.size, 0);
  say({ kind: 'opened', adapter: device.name, parameters, learningRate, history, restored: saved !== null, forgotten });
  await show(opened);
}

function restore({ parts, sampler }: Opened, saved: NonNullable<Awaited<ReturnType<typeof loadTraining>>>): void {
  restoreWeights(parts.model, decodeSafetensors(saved.weights, 'saved weights').tensors, 'saved weights');
  restoreOptimizer(parts.optimizer, decodeSafetensors(saved.optimizer, 'saved optimizer').tensors, saved.step);
  sampler.restore({ step: saved.step });
  step = saved.step;
  learningRate = saved.learningRate;
  history = [...saved.history];
}

/** Lets a pause or another learning rate in. Not by a timer: browsers slow those of a tab in the background. */
function messages(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}

/** One step after the other until a pause; messages are heard in between. */
async function run(now: Opened): Promise<void> {
  const { parts, sampler, training } = now;
  let time = performance.now();
  while (wantsToRun) {
    const rows = sampler.next().map(({ index, pass, place }) => ({ ...training[index], pass, place }));
    const { losses, gradNorm } = await parts.step.run(batchOf(rows, settings, true), step, learningRate);
    step++;
    const event = { step, loss: losses.total, gradNorm, learningRate };
    history.push(event);
    const before = time;
    time = performance.now();
    say({ kind: 'step', event, imagesPerSecond: (1000 * rows.length) / (time - before) });
    if (step % SHOW_EVERY === 0) await show(now);
    const keeps = wantsToKeep || step % SAVE_EVERY === 0;
    wantsToKeep = false;
    if (keeps) await save(now);
    if (keeps || step % SHOW_EVERY === 0) time = performance.now();
    await messages();
  }
  await show(now);
  say({ kind: 'paused', saved: await save(now) });
}

/** False where the browser's storage refuses. */
async function save({ parts }: Opened): Promise<boolean> {
  const weights = encodeSafetensors(await packWeights(parts.model));
  const optimizer = encodeSafetensors(await packOptimizer(parts.optimizer));
  return saveTraining({ version: VERSION, step, weights, optimizer, history, learningRate }).then(
    () => true,
    () => false,
  );
}

/** Predicts the pictures that are held back: masks beside the truth, and figures. */
async function show({ parts, predictor, held }: Opened): Promise<void> {
  const rows = held.map((one) => ({ ...one, pass: 0, place: 0 }));
  const batch = batchOf(rows, settings, false);
  const predictions = await predictor.predict(batch.image, rows.length, { choice: 'both' });
  parts.model.train();
  const { structures } = config.model;
  const hits = structures.map(() => ({ both: 0, sum: 0 }));
  let routed = 0;
  const pictures = held.flatMap(({ item, sample }, row) => {
    const prediction = predictions[row];
    if (TASK_INDEX[routeOf(prediction).task] === TASK_INDEX[item.task]) routed++;
    const truth = sample.maskBits;
    if (!truth || !prediction.masks) return [];
    const predicted = new Uint8Array(truth.length);
    for (const [channel, structure] of structures.entries()) {
      const bit = 1 << STRUCTURES.indexOf(structure);
      for (let at = 0; at < truth.length; at++) {
        const isPredicted = prediction.masks[at * structures.length + channel] >= 0.5;
        const isTrue = (truth[at] & bit) !== 0;
        if (isPredicted) predicted[at] |= bit;
        hits[channel].both += isPredicted && isTrue ? 1 : 0;
        hits[channel].sum += (isPredicted ? 1 : 0) + (isTrue ? 1 : 0);
      }
    }
    return [{ side: sample.size, image: sample.image, truth, predicted }];
  });
  const dice = structures.map((structure, index) => [structure, (2 * hits[index].both) / hits[index].sum]);
  const figures = { step, dice: Object.fromEntries(dice), gateAccuracy: routed / held.length };
  say({ kind: 'shown', figures, pictures });
}

let running: Promise<void> | null = null;

async function obey(command: TrainingCommand): Promise<void> {
  switch (command.kind) {
    case 'open':
      return open(command.anew);
    case 'run':
      if (running || !opened) return;
      wantsToRun = true;
      running = run(opened).finally(() => {
        running = null;
      });
      return running;
    case 'pause':
      wantsToRun = false;
      return;
    case 'rate':
      learningRate = command.learningRate;
      return;
    case 'keep':
      wantsToKeep = running !== null;
      return;
    default:
      command satisfies never;
  }
}

addEventListener('message', ({ data }: MessageEvent<TrainingCommand>) => {
  obey(data).catch((error: unknown) => say({ kind: 'failed', failure: failureOf(error) }));
});
