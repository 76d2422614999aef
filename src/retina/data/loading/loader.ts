/** Loads prepared samples and batches, ahead of the GPU's work. */
import { totalmem } from 'node:os';
import { GmtlError } from '../../../engine/errors.ts';
import { type Batch, type BatchRow, renderBatch, type RenderOptions } from './batch.ts';
import type { PictureSource } from './pictureSource.ts';
import { cacheRoot } from '../../../engine/node/cacheFolder.ts';
import { Limiter } from '../../../engine/node/parallel.ts';
import type { Sample } from '../pictures/sample.ts';
import { SampleCache } from './sampleCache.ts';
import { SampleMemory } from './sampleMemory.ts';
import type { SamplerState, TaskBalancedSampler } from './sampler.ts';
import { DEFAULT_LOADER, GIB, type LoaderOptions } from './settings.ts';
import type { DatasetItem } from '../../domain.ts';

/** A file that was left out, with the reason. */
export interface SkippedItem {
  readonly item: DatasetItem;
  readonly reason: string;
  /** How often a draw fell on it. */
  times: number;
}

/** How well loading keeps up. */
export interface LoaderTiming {
  /** Milliseconds `nextBatch` kept its caller waiting. */
  waitedMs: number;
  /** Milliseconds since the first call of `nextBatch`. */
  totalMs: number;
  batches: number;
}

/** Fills in the defaults. @throws GmtlError `data/loader-options` for numbers out of range. */
export function loaderOptions(options: Partial<LoaderOptions> = {}): LoaderOptions {
  const memoryBytes = options.tiles ? Math.min(4 * GIB, Math.max(GIB, totalmem() / 4)) : DEFAULT_LOADER.memoryBytes;
  const full: LoaderOptions = { ...DEFAULT_LOADER, memoryBytes, cacheFolder: cacheRoot(), ...options };
  const { size } = full.preprocess;
  const wholes = { size, prefetch: full.prefetch, decoders: full.decoders, storeSize: full.storeSize ?? size };
  for (const [name, value] of Object.entries(wholes)) {
    if (!Number.isInteger(value) || value < 1)
      throw new GmtlError('data/loader-options', `${name} is ${value}; give a whole number from 1 on.`);
  }
  if (wholes.storeSize < size) {
    throw new GmtlError(
      'data/loader-options',
      `storeSize ${wholes.storeSize} is below the network's size ${size}: it would only blur.`,
    );
  }
  const side = full.tiles?.side ?? null;
  if (side !== null && !(Number.isInteger(side) && side >= size)) {
    throw new GmtlError(
      'data/loader-options',
      `Tiles of ${size} pixels cannot be cut from a picture of ${side}: give a whole number from ${size} on, or null for native resolution.`,
    );
  }
  return full;
}

/** Preprocessed samples through memory and disk, decoded by at most `decoders` at a time, with skipping. */
export class SampleSource implements PictureSource {
  readonly options: LoaderOptions;
  readonly cache: SampleCache;
  readonly memory: SampleMemory;
  /** What was left out, by item id. */
  readonly skipped = new Map<string, SkippedItem>();
  readonly #limiter: Limiter;

  constructor(options: Partial<LoaderOptions> = {}) {
    this.options = loaderOptions(options);
    this.cache = new SampleCache(this.options.cacheFolder);
    this.memory = new SampleMemory(this.options.memoryBytes);
    this.#limiter = new Limiter(this.options.decoders);
  }

  /**
   * The sample of an item; null when it is bad and `skipBad` is set.
   *
   * @throws GmtlError naming the file when it cannot be decoded.
   */
  async sample(item: DatasetItem, size: number): Promise<Sample | null> {
    const earlier = this.skipped.get(item.id);
    if (earlier !== undefined) {
      earlier.times++;
      return null;
    }
    const preprocess = { ...this.options.preprocess, size };
    try {
      return await this.memory.get(`${item.id} ${size}`, () =>
        this.#limiter.run(() => this.cache.sample(item, preprocess)),
      );
    } catch (error) {
      // Only what the user can mend about a file may be skipped; a bug or a full disk must show.
      if (!this.options.skipBad || !(error instanceof GmtlError) || !error.code.startsWith('data/')) throw error;
      const known = this.skipped.get(item.id);
      if (known === undefined) this.skipped.set(item.id, { item, reason: error.message, times: 1 });
      else known.times++;
      return null;
    }
  }

  /**
   * The picture that an item's tiles are cut from, prepared at `side` pixels (null: as many as the crop has in the frame, so that nothing
   * is resampled); null when it is bad and `skipBad` is set.
   *
   * @throws GmtlError naming the file when it cannot be decoded.
   */
  async tileSample(item: DatasetItem, side: number | null): Promise<Sample | null> {
    if (side !== null) return this.sample(item, side);
    // The crop's size is known once the picture was decoded; the small sample remembers it, in memory and on disk.
    const small = await this.sample(item, this.options.preprocess.size);
    return small && this.sample(item, small.box.size);
  }
}

/** Renders a batch and lets other work of this thread, such as GPU submissions, run between its rows. */
async function renderBetweenWork(rows: readonly BatchRow[], count: number, options: RenderOptions): Promise<Batch> {
  const rendering = renderBatch(rows, count, options);
  for (;;) {
    const step = rendering.next();
    if (step.done) return step.value;
    await new Promise<void>((resume) => setImmediate(resume));
  }
}

/** How a sampler's batches are dealt out to loaders: of each `total` that follow each other, a loader has `count` from `first` on. */
export interface Deal {
  readonly total: number;
  readonly first: number;
  readonly count: number;
}

/**
 * Training batches, prepared ahead while the GPU works: reading, decoding and resizing run in sharp's threads, rendering on
 * the main thread between its other work. The batches are the sampler's, whatever order the decoding finishes in.
 */
export class TrainLoader {
  readonly sampler: TaskBalancedSampler;
  readonly source: SampleSource;
  readonly timing: LoaderTiming = { waitedMs: 0, totalMs: 0, batches: 0 };
  readonly #pending: Promise<Batch>[] = [];
  readonly #deal: Deal;
  /** Batches handed out and prepared, of this loader's own. */
  #step = 0;
  #ahead = 0;
  #started: number | null = null;

  /** Starts at the sampler's current step. @param deal which of the sampler's batches are this loader's. Default: all. */
  constructor(
    sampler: TaskBalancedSampler,
    options: Partial<LoaderOptions> | SampleSource = {},
    deal: Deal = { total: 1, first: 0, count: 1 },
  ) {
    this.sampler = sampler;
    this.#deal = deal;
    this.source = options instanceof SampleSource ? options : new SampleSource(options);
    this.restore(sampler.state());
  }

  /**
   * The next batch. Its arrays belong to the caller.
   *
   * @throws GmtlError naming the file when an image cannot be decoded (without `skipBad`), or `data/all-bad` when no image of a task can.
   */
  async nextBatch(): Promise<Batch> {
    const asked = performance.now();
    this.#started ??= asked;
    this.#fill();
    const batch = await this.#pending.shift()!;
    this.#step++;
    this.#fill();
    const now = performance.now();
    this.timing.waitedMs += now - asked;
    this.timing.totalMs = now - this.#started;
    this.timing.batches++;
    return batch;
  }

  /** An item's picture as its batches are cut from it; null where it is bad and may be left out. @throws GmtlError as {@link SampleSource.sample}. */
  prepare(item: DatasetItem): Promise<Sample | null> {
    const { tiles, storeSize, preprocess } = this.source.options;
    if (tiles !== null && item.task === 'segmentation') return this.source.tileSample(item, tiles.side);
    return this.source.sample(item, storeSize ?? preprocess.size);
  }

  /** Where to continue: of all loaders' batches those handed out, whatever was prepared ahead. Asked for between rounds. */
  state(): SamplerState {
    const { total, count } = this.#deal;
    return { step: (this.#step / count) * total };
  }

  /** Continues at a saved state; what was prepared ahead is thrown away. */
  restore(state: SamplerState): void {
    this.sampler.restore(state);
    const { total, count } = this.#deal;
    this.#pending.length = 0;
    this.#step = (state.step / total) * count;
    this.#ahead = this.#step;
  }

  /** The sampler's batch that is this loader's `own`-th. */
  #dealt(own: number): number {
    const { total, first, count } = this.#deal;
    return Math.floor(own / count) * total + first + (own % count);
  }

  #fill(): void {
    while (this.#pending.length < this.source.options.prefetch) {
      const batch = this.#prepare(this.#dealt(this.#ahead++));
      // The failure is reported by the nextBatch that gets this batch; until then it must not count as unhandled.
      batch.catch(() => undefined);
      this.#pending.push(batch);
    }
  }

  async #prepare(step: number): Promise<Batch> {
    const { options } = this.source;
    const { tiles } = options;
    const draws = this.sampler.batch(step);
    const rows = await Promise.all(
      draws.map(async (draw): Promise<BatchRow> => {
        // A bad image is replaced by the next good one of its task in the data set's order: batches keep their shape.
        const { items } = this.sampler;
        for (let offset = 0; offset < items.length; offset++) {
          const item = items[(draw.index + offset) % items.length];
          if (item.task !== draw.task) continue;
          const sample = await this.prepare(item);
          if (sample !== null) return { item, sample, pass: draw.pass, place: draw.place };
        }
        throw new GmtlError(
          'data/all-bad',
          `Not one ${draw.task} image of the training split can be decoded. Run "gmtl data verify".`,
        );
      }),
    );
    const { preprocess, normalization, augment, seed } = options;
    return renderBetweenWork(rows, rows.length, { size: preprocess.size, normalization, augment, seed, tiles });
  }
}

/**
 * Batches of items in fixed order (segmentation first), without augmentation, the next one prepared while the caller works.
 * The last batch is filled up by repeating its last row, so that N stays fixed; `count` is the number of real rows.
 *
 * @param items any split: `selectItems(dataset, 'test', 'segmentation')`.
 * @throws GmtlError naming the file when an image cannot be decoded (without `skipBad`).
 */
export async function* evaluationBatches(
  items: readonly DatasetItem[],
  batchSize: number,
  source: PictureSource,
): AsyncGenerator<Batch> {
  const { preprocess, normalization } = source.options;
  const ordered = [
    ...items.filter((item) => item.task === 'segmentation'),
    ...items.filter((item) => item.task === 'classification'),
  ];
  const prepare = async (start: number): Promise<Batch | null> => {
    const samples = await Promise.all(
      ordered
        .slice(start, start + batchSize)
        .map(async (item) => ({ item, sample: await source.sample(item, preprocess.size) })),
    );
    const rows = samples.flatMap(({ item, sample }): BatchRow[] =>
      sample === null ? [] : [{ item, sample, pass: 0, place: 0 }],
    );
    const count = rows.length;
    if (count === 0) return null;
    while (rows.length < batchSize) rows.push(rows[rows.length - 1]);
    const size = preprocess.size;
    return renderBetweenWork(rows, count, { size, normalization, augment: null, seed: 0, tiles: null });
  };
  let next: Promise<Batch | null> | null = ordered.length > 0 ? prepare(0) : null;
  for (let start = batchSize; next !== null; start += batchSize) {
    const batch: Batch | null = await next;
    next = start < ordered.length ? prepare(start) : null;
    next?.catch(() => undefined);
    if (batch !== null) yield batch;
  }
}
