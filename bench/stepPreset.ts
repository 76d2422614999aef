/** A whole training step of a preset, as a workload for `gmtl bench step` and `gmtl tune`. */
import { setEngine } from '../src/engine/autograd/currentEngine.ts';
import { Engine } from '../src/engine/autograd/engine.ts';
import type { Batch } from '../src/retina/data/loading/batch.ts';
import { openDataset } from '../src/retina/data/sets/dataset.ts';
import { SampleSource, TrainLoader } from '../src/retina/data/loading/loader.ts';
import { type DatasetItem, GRADE_COUNTS, STRUCTURES, noMasks, selectItems } from '../src/retina/domain.ts';
import { GmtlError } from '../src/engine/errors.ts';
import type { Capture } from '../src/engine/gpu/capture.ts';
import { Generator } from '../src/engine/tensor/random.ts';
import { loaderSettings } from '../src/retina/data/loading/settings.ts';
import { resolveConfig } from '../src/retina/config/resolve.ts';
import type { TrainConfig } from '../src/retina/config/schema.ts';
import { buildSampler, buildTrainingParts, type TrainingParts } from '../src/retina/train/trainingParts.ts';
import type { Backend } from '../src/engine/ops/backend.ts';
import type { StepWorkload } from './stepWorkload.ts';

export interface PresetOptions {
  readonly preset: string;
  /** Images per step, divided between the tasks as the preset divides them. Default: the preset's. */
  readonly batch?: number;
  readonly size?: number;
  /** `section.knob=value`. */
  readonly set?: readonly string[];
  /** A data set to load batches from, through the loader that training uses; made-up batches where left out. */
  readonly folder?: string;
}

/** How many rows of each task a batch of `total` has, in the preset's proportion, at least one for each task that the preset has. */
export function shareRows(total: number, segmentation: number, classification: number): [number, number] {
  const least = Math.min(segmentation, 1);
  const most = total - Math.min(classification, 1);
  const share = Math.min(most, Math.max(least, Math.round((total * segmentation) / (segmentation + classification))));
  return [share, total - share];
}

function configOf({ preset, batch, size, set = [] }: PresetOptions): TrainConfig {
  // Steps that measure the gradients' cosine are not replayed; they are rare.
  const overrides = ['training.conflictEvery=0', ...set];
  if (size !== undefined) overrides.push(`data.imageSize=${size}`);
  if (batch !== undefined) {
    const { data } = resolveConfig({ preset, overrides: [...set] });
    const least = Math.min(1, data.segmentationPerBatch) + Math.min(1, data.classificationPerBatch);
    if (!Number.isInteger(batch) || batch < least) {
      throw new GmtlError('bench/batch', `--batch is ${batch}: ${preset} needs a whole number from ${least} on`);
    }
    const [segmentation, classification] = shareRows(batch, data.segmentationPerBatch, data.classificationPerBatch);
    overrides.push(`data.segmentationPerBatch=${segmentation}`, `data.classificationPerBatch=${classification}`);
  }
  return resolveConfig({ preset, overrides });
}

function madeUpItem(index: number, task: DatasetItem['task']): DatasetItem {
  const graded = task === 'classification';
  return {
    ...{ id: `made-up/${index}`, part: 'made-up', split: 'train', task, imagePath: `made-up-${index}.jpg` },
    maskPaths: graded ? null : noMasks(),
    retinopathy: graded ? index % GRADE_COUNTS.retinopathy : null,
    edema: graded ? index % GRADE_COUNTS.edema : null,
  };
}

/** Noise for pictures, squares for masks, grades in turn: the work of a step does not depend on its data. */
export function madeUpBatch(segmentation: number, classification: number, size: number): Batch {
  const rows = segmentation + classification;
  const random = new Generator(3);
  const items = Array.from({ length: rows }, (_, row) =>
    madeUpItem(row, row < segmentation ? 'segmentation' : 'classification'),
  );
  const masks = new Float32Array(rows * size * size * STRUCTURES.length);
  for (let row = 0; row < segmentation; row++) {
    for (let y = size >> 2; y < size >> 1; y++) {
      const from = ((row * size + y) * size + (size >> 2)) * STRUCTURES.length;
      masks.fill(1, from, from + (size >> 2) * STRUCTURES.length);
    }
  }
  return {
    image: Float32Array.from({ length: rows * size * size * 3 }, () => 2 * random.uniform() - 1),
    masks,
    hasMasks: Uint8Array.from(items, ({ task }) => (task === 'segmentation' ? 1 : 0)),
    task: Int32Array.from(items, ({ task }) => (task === 'segmentation' ? 0 : 1)),
    retinopathy: Int32Array.from(items, ({ retinopathy }) => retinopathy ?? -1),
    edema: Int32Array.from(items, ({ edema }) => edema ?? -1),
    items,
    boxes: items.map(() => ({ left: 0, top: 0, size, width: size, height: size })),
    count: rows,
  };
}

/** Steps over which the temperature of Gumbel routing would fall. */
const TOTAL_STEPS = 1000;

/** A preset's network with the step that `gmtl train` runs, at the preset's peak learning rate. */
class PresetWorkload implements StepWorkload {
  readonly name: string;
  readonly batch: number;
  readonly size: number;
  readonly parameters: number;
  readonly data: string;
  readonly nextData: (() => Promise<void>) | null;
  readonly #training: TrainingParts;
  readonly #learningRate: number;
  #batch: Batch;

  constructor(
    backend: Backend,
    name: string,
    config: TrainConfig,
    batch: Batch,
    items: readonly DatasetItem[],
    source: { readonly loader: TrainLoader; readonly folder: string } | null,
  ) {
    const engine = new Engine(backend, { seed: config.training.seed });
    setEngine(engine);
    this.#training = buildTrainingParts(engine, config, items, TOTAL_STEPS);
    const { model } = this.#training;
    model.train();
    this.#learningRate = config.optimizer.lr;
    this.#batch = batch;
    this.name = `preset ${name} (${config.model.architecture})${model.precision === 'f16' ? ', float16' : ''}`;
    this.batch = batch.task.length;
    this.size = config.data.imageSize;
    this.parameters = model.parameterCount();
    this.data = source ? `the loader on ${source.folder}` : 'one made-up batch';
    this.nextData =
      source &&
      (async () => {
        this.#batch = await source.loader.nextBatch();
      });
  }

  get captured(): Capture | null {
    return this.#training.step.captured[0] ?? null;
  }

  async run(step: number): Promise<void> {
    const report = await this.#training.step.run(this.#batch, step, this.#learningRate);
    // With float16 a step may be suppressed until the loss scale fits.
    if (!report.finite && report.lossScale === null)
      throw new GmtlError('bench/not-finite', `step ${step} of ${this.name} met NaN or infinity`);
  }

  dispose(): void {
    this.#training.dispose();
    setEngine(null);
  }
}

/**
 * @throws GmtlError `config/…` for an unknown preset or setting, `bench/routing` for routings that cannot be captured, and what opening
 * the data set throws.
 */
export async function presetWorkload(backend: Backend, options: PresetOptions): Promise<StepWorkload> {
  const config = configOf(options);
  if (config.training.routing === 'hard') {
    throw new GmtlError('bench/routing', 'routing hard asks the gate before each step: it is never recorded');
  }
  const { segmentationPerBatch, classificationPerBatch, imageSize, ...data } = config.data;
  const { folder } = options;
  if (folder === undefined) {
    const batch = madeUpBatch(segmentationPerBatch, classificationPerBatch, imageSize);
    return new PresetWorkload(backend, options.preset, config, batch, batch.items, null);
  }
  const { seed } = config.training;
  const { validationFraction: valFraction, joinLabels } = data;
  const items = selectItems(await openDataset(folder, { valFraction, seed, joinLabels }), 'train');
  const loader = new TrainLoader(buildSampler(config, items), new SampleSource(loaderSettings(config)));
  return new PresetWorkload(backend, options.preset, config, await loader.nextBatch(), items, { loader, folder });
}
