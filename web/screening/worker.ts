/** Holds the network and looks at photographs, away from the page. Nothing leaves the device: the model is fetched, and nothing is sent. */
import { setEngine } from '../../src/engine/autograd/currentEngine.ts';
import { Engine } from '../../src/engine/autograd/engine.ts';
import { GmtlError } from '../../src/engine/errors.ts';
import { createBrowserDevice } from '../../src/engine/gpu/browserDevice.ts';
import { GpuBackend } from '../../src/engine/ops/gpuBackend.ts';
import { preparePicture } from '../../src/retina/data/pictures/plainTools.ts';
import {
  calibratedThresholds,
  calibrateResult,
  calibrationDoubts,
} from '../../src/retina/evaluate/applyCalibration.ts';
import { type ReferralPolicy, referralPolicy } from '../../src/retina/evaluate/referralPolicy.ts';
import { openModel } from '../../src/retina/predict/openModel.ts';
import { inferPicture } from '../../src/retina/predict/picture.ts';
import type { PreparedAs } from '../../src/retina/predict/pictureNetwork.ts';
import type { Predictor } from '../../src/retina/predict/predictor.ts';
import { withoutIdentifiers } from '../../src/retina/predict/result.ts';
import { type LoadedModel, MODEL_MANIFEST, unpackModel } from '../../src/retina/run/modelFolder.ts';
import { failureOf } from '../shared/failure.ts';
import { decodePicture } from './decode.ts';
import type { ScreeningCommand, ScreeningEvent } from './messages.ts';
import { toRuns } from './runs.ts';

const say = (event: ScreeningEvent, transfer: Transferable[] = []): void => postMessage(event, { transfer });

let open: {
  readonly predictor: Predictor<PreparedAs>;
  readonly model: LoadedModel;
  readonly policy: ReferralPolicy;
} | null = null;

async function openAll(files: readonly File[] | null): Promise<void> {
  const model = await unpackModel(files === null ? fromServer : (name) => fromFiles(files, name), (name, total) =>
    say({ kind: 'loading', name, done: 0, total }),
  );
  const { device, info } = await createBrowserDevice();
  const engine = new Engine(new GpuBackend(device), { seed: model.config.training.seed });
  setEngine(engine);
  const { facts, card, config, calibration } = model;
  const used = { step: facts.step ?? undefined, averaged: facts.averaged, flips: false };
  const policy = referralPolicy(calibration, calibration ? calibrationDoubts(calibration, used) : [], 'warn');
  open = { predictor: openModel(engine, model), model, policy };
  say({
    kind: 'opened',
    model: {
      ...{ facts, card, structures: config.model.structures, imageSize: config.data.imageSize },
      calibratedOn: calibration?.fittedOn.images.length ?? null,
      referralNote: policy.note,
      adapter: { name: device.name, deviceClass: device.target.deviceClass, info },
    },
  });
}

/** A file that the server offers beside the pages; null where it has none. */
async function fromServer(name: string): Promise<Uint8Array | null> {
  const response = await fetch(new URL(`../model/${name}`, import.meta.url));
  if (response.status === 404) return null;
  if (!response.ok)
    throw new GmtlError('web/model', `The model's ${name} could not be fetched: status ${response.status}.`);
  // A server for single pages answers everything with its own.
  if (name === MODEL_MANIFEST && response.headers.get('content-type')?.includes('html')) return null;
  return new Uint8Array(await response.arrayBuffer());
}

async function fromFiles(files: readonly File[], name: string): Promise<Uint8Array | null> {
  const found = files.find((file) => file.name === name);
  return found ? new Uint8Array(await found.arrayBuffer()) : null;
}

async function look({ id, file, name, calibrated }: ScreeningCommand & { kind: 'look' }): Promise<void> {
  if (open === null) throw new GmtlError('web/model', 'No model is open yet.');
  const { predictor, model, policy } = open;
  const calibration = calibrated ? model.calibration : null;
  const start = performance.now();
  const image = await decodePicture(file, name);
  const decoded = performance.now();
  const inferred = await inferPicture(predictor, image, name, preparePicture, {
    choice: 'both',
    threshold: calibration ? calibratedThresholds(calibration) : 0.5,
  });
  // Who the eye belongs to leaves the file in no download and no print.
  const referred = policy.refer(withoutIdentifiers(inferred.result));
  const result = calibration ? calibrateResult(referred, calibration) : referred;
  const masks = Object.fromEntries(
    Object.entries(inferred.masks ?? {}).map(([structure, mask]) => [structure, toRuns(mask)]),
  );
  const milliseconds = { decode: decoded - start, compute: performance.now() - decoded };
  const pixels = image.data;
  say({ kind: 'looked', looked: { id, result, masks, calibrated: calibration !== null, milliseconds }, pixels }, [
    pixels.buffer as ArrayBuffer,
  ]);
}

/** One command after the other. */
let queue: Promise<void> = Promise.resolve();

addEventListener('message', ({ data }: MessageEvent<ScreeningCommand>) => {
  queue = queue
    .then(() => (data.kind === 'open' ? openAll(data.files) : look(data)))
    .catch((error: unknown) => {
      say({ kind: 'failed', id: data.kind === 'look' ? data.id : null, failure: failureOf(error) });
    });
});
