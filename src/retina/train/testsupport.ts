/** A tiny network and batches that it can learn, for the tests of training steps. */
import { setEngine } from '../../engine/autograd/currentEngine.ts';
import { Engine } from '../../engine/autograd/engine.ts';
import type { Batch } from '../data/loading/batch.ts';
import type { DatasetItem } from '../domain.ts';
import type { GpuDevice } from '../../engine/gpu/device.ts';
import { GatedMultitaskNet, type GatedOptions } from '../network/multitask.ts';
import type { Precision } from '../network/network.ts';
import { LOSS_DEFAULTS, TINY_NETWORK } from '../network/testsupport.ts';
import { GpuBackend } from '../../engine/ops/gpuBackend.ts';
import { AdamW, EMA, GradientGuard, LOSS_SCALING, noDecay } from '../../engine/optim/index.ts';
import { Generator } from '../../engine/tensor/random.ts';
import { parametersOf } from './build.ts';
import { TrainStep, type TrainStepOptions } from './step.ts';
import { CountWeighting, type Weighting } from './weighting/index.ts';

const SIDE = 32;

function item(row: number, task: DatasetItem['task']): DatasetItem {
  return {
    id: `test/${row}`,
    part: 'test',
    split: 'train',
    task,
    imagePath: `/images/${row}.jpg`,
    maskPaths: null,
    retinopathy: null,
    edema: null,
  };
}

/** `segmented` rows with a bright blob and its mask, then `graded` rows whose tint tells their grades. */
export function makeBatch(segmented: number, graded: number, seed = 1): Batch {
  const rows = segmented + graded;
  const generator = new Generator(seed);
  const image = new Float32Array(rows * SIDE * SIDE * 3);
  const masks = new Float32Array(rows * SIDE * SIDE * 5);
  for (let row = 0; row < rows; row++) {
    const [left, top] = [4 + generator.integer(12), 4 + generator.integer(12)];
    for (let y = 0; y < SIDE; y++) {
      for (let x = 0; x < SIDE; x++) {
        const pixel = (row * SIDE + y) * SIDE + x;
        const inside = x >= left && x < left + 12 && y >= top && y < top + 12;
        for (let c = 0; c < 3; c++) image[3 * pixel + c] = 0.1 * generator.normal();
        if (row < segmented) {
          if (inside) image[3 * pixel] += 2;
          for (let lesion = 0; lesion < 5; lesion++) masks[5 * pixel + lesion] = inside ? 1 : 0;
        } else image[3 * pixel + 1 + (row % 2)] += 2;
      }
    }
  }
  const grades = (classes: number) =>
    Int32Array.from({ length: rows }, (_, row) => (row < segmented ? -1 : (row * 2) % classes));
  return {
    image,
    masks,
    hasMasks: Uint8Array.from({ length: rows }, (_, row) => (row < segmented ? 1 : 0)),
    task: Int32Array.from({ length: rows }, (_, row) => (row < segmented ? 0 : 1)),
    retinopathy: grades(5),
    edema: grades(3),
    items: Array.from({ length: rows }, (_, row) => item(row, row < segmented ? 'segmentation' : 'classification')),
    boxes: Array.from({ length: rows }, () => ({ left: 0, top: 0, size: SIDE, width: SIDE, height: SIDE })),
    count: rows,
  };
}

export function rowsOf(batch: Batch, rows: readonly number[]): Batch {
  const pick = <T extends Float32Array | Int32Array | Uint8Array>(data: T): T => {
    const elements = data.length / batch.task.length;
    const parts = rows.flatMap((row) => Array.from(data.subarray(row * elements, (row + 1) * elements)));
    return new (data.constructor as new (values: number[]) => T)(parts);
  };
  return {
    image: pick(batch.image),
    masks: pick(batch.masks),
    hasMasks: pick(batch.hasMasks),
    task: pick(batch.task),
    retinopathy: pick(batch.retinopathy),
    edema: pick(batch.edema),
    items: rows.map((row) => batch.items[row]),
    boxes: rows.map((row) => batch.boxes[row]),
    count: rows.length,
  };
}

export interface Rig {
  readonly step: TrainStep;
  readonly model: GatedMultitaskNet;
  readonly optimizer: AdamW;
  readonly ema: EMA;
  readonly guard: GradientGuard;
  dispose(): void;
}

export function makeRig(
  device: GpuDevice,
  options: {
    network?: Partial<GatedOptions>;
    maxNorm?: number;
    makeWeighting?: (engine: Engine) => Weighting;
    /** Default f32; with f16 the loss is scaled, at first by `lossScale` (default: as training does). */
    precision?: Precision;
    lossScale?: number;
  } & Partial<TrainStepOptions> = {},
): Rig {
  const {
    network,
    maxNorm = 1,
    makeWeighting = () => new CountWeighting(),
    precision = 'f32',
    lossScale = LOSS_SCALING.initial,
    ...rest
  } = options;
  const engine = new Engine(new GpuBackend(device), { seed: 5 });
  setEngine(engine);
  const model = new GatedMultitaskNet({ ...TINY_NETWORK, ...network }).train();
  model.precision = precision;
  const weighting = makeWeighting(engine);
  const params = [...parametersOf(model), ...parametersOf(weighting, 'weighting.')];
  const optimizer = new AdamW(noDecay(params, 0.05), { lr: 1e-3 });
  const lossScaling = precision === 'f16' ? { ...LOSS_SCALING, initial: lossScale } : null;
  const guard = new GradientGuard(params, { maxNorm, lossScaling });
  const ema = new EMA(params, { decay: 0.9, warmup: true });
  const step = new TrainStep({
    engine,
    model,
    optimizer,
    guard,
    ema,
    objective: LOSS_DEFAULTS,
    constants: { posWeight: null, retinopathyWeights: null, edemaWeights: null },
    weighting,
    routing: 'supervised',
    ...rest,
  });
  const dispose = (): void => {
    for (const part of [step, optimizer, guard, ema, model, weighting]) part.dispose();
  };
  return { step, model, optimizer, ema, guard, dispose };
}

export const NOISY: Partial<GatedOptions> = { headDropout: 0.3, decoderDropout: 0.3, dropPath: 0.3 };

/** Everything a checkpoint would hold. */
export async function stateOf({ model, optimizer, ema }: Rig): Promise<Record<string, Float32Array>> {
  const state: Record<string, Float32Array> = {};
  for (const [name, { data }] of await model.stateDict()) state[`weights ${name}`] = data;
  for (const [name, data] of (await optimizer.stateDict()).tensors) state[`optimizer ${name}`] = data;
  for (const [name, data] of (await ema.stateDict()).tensors) state[`average ${name}`] = data;
  return state;
}
