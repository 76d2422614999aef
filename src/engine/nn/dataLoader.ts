/** Batches of samples as tensors: shuffled, fetched ahead, stacked (torch.utils.data.DataLoader). */
import { checkAttributes } from '../arguments.ts';
import { engine as currentEngine } from '../autograd/currentEngine.ts';
import { collectTensors, Engine } from '../autograd/engine.ts';
import { Tensor } from '../autograd/tensor.ts';
import { GmtlError, show } from '../errors.ts';
import { type HostData, hostArray, type NestedNumbers } from '../tensor/hostData.ts';
import { Generator, philox } from '../tensor/random.ts';
import { sameShape } from '../tensor/shape.ts';
import { type DType, formatShape, sizeOf } from '../tensor/spec.ts';

/** Samples by number: an array, or what reads or decodes one when it is asked for. */
export type Dataset<S> = readonly S[] | { readonly length: number; get(index: number): S | Promise<S> };

type Numbers = number | bigint | Exclude<HostData, NestedNumbers> | readonly number[] | readonly NestedNumbers[];

/** What samples become: numbers and arrays of numbers become a tensor with the batch as its first axis, records and tuples the same of each of their parts. */
export type Collated<S> = S extends Numbers
  ? Tensor
  : S extends object
    ? { readonly [Part in keyof S]: Collated<S[Part]> }
    : never;

/** Options of {@link DataLoader}. */
export interface DataLoaderOptions<S, B> {
  /** Default 1. */
  readonly batchSize?: number;
  /** Whether the order is a new one in each epoch, a function of `seed` and the epoch's number alone. Default false. */
  readonly shuffle?: boolean;
  /** Default 0. */
  readonly seed?: number;
  /** Whether a last batch of fewer samples is left out. Default false. */
  readonly dropLast?: boolean;
  /** Batches whose samples are being fetched while one is used. Default 1; 0: none. */
  readonly prefetch?: number;
  /** Element types by the parts' names, such as { label: 'i32' }; else as `engine.tensor` has it: plain numbers are f32, 64-bit integers i32. */
  readonly dtypes?: Readonly<Record<string, DType>>;
  /** Makes a batch of samples. Default: stacks them, which then have one shape. */
  readonly collate?: (samples: S[]) => B;
  /** Default: the current engine. */
  readonly engine?: Engine;
}

const OPTIONS = {
  batchSize: 'extent?',
  shuffle: 'flag?',
  seed: 'integer?',
  dropLast: 'flag?',
  prefetch: 'count?',
  dtypes: 'record?',
  collate: 'anything?',
  engine: 'anything?',
} as const;

const isNumber = (value: unknown): boolean => typeof value === 'number' || typeof value === 'bigint';
const isNumbers = (value: unknown): boolean =>
  ArrayBuffer.isView(value) || (Array.isArray(value) && (value.every(isNumber) || value.every(Array.isArray)));

/** The values of one part of all samples, one after another, as a tensor. */
function stackNumbers(engine: Engine, part: string, values: readonly unknown[], dtype?: DType): Tensor {
  const arrays = values.map((value) => {
    if (!isNumber(value)) return hostArray(`DataLoader: ${part}`, value as HostData, dtype);
    const single = typeof value === 'bigint' ? BigInt64Array.of(value) : [value as number];
    return { ...hostArray(`DataLoader: ${part}`, single, dtype), shape: [] };
  });
  const [first] = arrays;
  const odd = arrays.find(({ shape, dtype }) => !sameShape(shape, first.shape) || dtype !== first.dtype);
  if (odd) {
    const described = [first, odd].map((each) => `${each.dtype}${formatShape(each.shape)}`).join(' and ');
    throw new GmtlError(
      'nn/batch',
      `DataLoader: ${part} of one batch is ${described}: make all samples alike, or give a collate of your own`,
    );
  }
  const size = sizeOf(first.shape);
  const data = new Float64Array(arrays.length * size);
  for (const [index, array] of arrays.entries()) data.set(array.data, index * size);
  return engine.tensor(data, [arrays.length, ...first.shape], { dtype: first.dtype });
}

/** The parts of a record or a tuple, which all samples have. */
function partsOf(name: string, samples: readonly unknown[]): string[] {
  const keysOf = (sample: unknown): string[] => {
    const isObject = typeof sample === 'object' && sample !== null;
    const isPlain = isObject && [Object.prototype, Array.prototype, null].includes(Object.getPrototypeOf(sample));
    if (isPlain) return Object.keys(sample as object);
    const hint = sample instanceof Tensor ? ', on the host: the loader makes the tensors' : '';
    throw new GmtlError(
      'nn/batch',
      `DataLoader: ${name} hold ${show(sample)}; they are numbers, arrays, records or tuples${hint}`,
    );
  };
  const [first, ...others] = samples.map(keysOf);
  const odd = others.find((keys) => keys.length !== first.length || !first.every((key) => keys.includes(key)));
  if (odd)
    throw new GmtlError(
      'nn/batch',
      `DataLoader: ${name} of one batch have the parts ${first.join(', ')} and ${odd.join(', ') || 'none'}: make all samples alike`,
    );
  return first;
}

function stackSamples(
  engine: Engine,
  part: string,
  samples: readonly unknown[],
  dtypeOf: (part: string) => DType | undefined,
): unknown {
  const [first] = samples;
  const name = part || 'the samples';
  if (isNumber(first) || isNumbers(first)) return stackNumbers(engine, name, samples, dtypeOf(part));
  const parts = partsOf(name, samples).map((key) => {
    const own = samples.map((sample) => (sample as Readonly<Record<string, unknown>>)[key]);
    return [key, stackSamples(engine, part ? `${part}.${key}` : key, own, dtypeOf)] as const;
  });
  return Array.isArray(first) ? parts.map(([, batch]) => batch) : Object.fromEntries(parts);
}

/** Stacks samples, and refuses a type for a part that they do not have. */
function stack(engine: Engine, samples: readonly unknown[], dtypes: Readonly<Record<string, DType>>): unknown {
  const unused = new Set(Object.keys(dtypes));
  const batch = stackSamples(engine, '', samples, (part) => {
    unused.delete(part);
    return dtypes[part];
  });
  for (const part of unused) {
    throw new GmtlError('nn/batch', `DataLoader: dtypes name ${part}, and the samples have no such numbers`);
  }
  return batch;
}

/**
 * Walks over a data set in batches, `for await (const batch of loader)`, again and again; each walk is an epoch. The loader owns the
 * tensors of a batch and frees them when the next one is asked for.
 *
 * ```ts
 * const loader = new DataLoader(samples, { batchSize: 8, shuffle: true, dtypes: { label: 'i32' } });
 * for await (const { image, label } of loader) scope(() => F.crossEntropy(net.forward(image), label).backward());
 * ```
 *
 * @throws GmtlError `ops/attribute` for options out of range; while walking `nn/batch` and `tensor/data` for samples that do not stack, and what the
 * data set throws.
 */
export class DataLoader<S, B = Collated<S>> implements AsyncIterable<B> {
  /** The number of the next walk, from which its order follows: set it to go on where a run stopped. */
  epoch = 0;
  readonly #dataset: Dataset<S>;
  readonly #options: DataLoaderOptions<S, B>;

  constructor(dataset: Dataset<S>, options: DataLoaderOptions<S, B> = {}) {
    checkAttributes('DataLoader', OPTIONS, options);
    const sized =
      typeof dataset === 'object' && dataset !== null && Number.isInteger(dataset.length) && dataset.length >= 0;
    if (!sized || !(Array.isArray(dataset) || typeof (dataset as { get?: unknown }).get === 'function'))
      throw new GmtlError(
        'nn/batch',
        `DataLoader: the data set is ${show(dataset)}; it is an array, or has length and get(index)`,
      );
    if (options.engine !== undefined && !(options.engine instanceof Engine))
      throw new GmtlError('ops/attribute', `DataLoader: engine is ${show(options.engine)}; it takes an Engine`);
    if (options.collate !== undefined && typeof options.collate !== 'function')
      throw new GmtlError('ops/attribute', `DataLoader: collate is ${show(options.collate)}; it takes a function`);
    this.#dataset = dataset;
    this.#options = options;
  }

  /** Batches of a walk. */
  get length(): number {
    const batches = this.#dataset.length / (this.#options.batchSize ?? 1);
    return this.#options.dropLast ? Math.floor(batches) : Math.ceil(batches);
  }

  /** The numbers of the samples of each batch of epoch `epoch`. */
  batches(epoch = this.epoch): number[][] {
    checkAttributes('DataLoader.batches', { epoch: 'count' }, { epoch });
    const { batchSize = 1, shuffle = false, seed = 0 } = this.#options;
    const { length } = this.#dataset;
    const [word] = philox([epoch >>> 0, Math.floor(seed / 2 ** 32) >>> 0, 0, 0], [seed >>> 0, 0xda7a]);
    const order = shuffle ? new Generator(word).permutation(length) : Uint32Array.from({ length }, (_, index) => index);
    return Array.from({ length: this.length }, (_, k) => [...order.subarray(k * batchSize, (k + 1) * batchSize)]);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<B, void, undefined> {
    const { prefetch = 1, dtypes = {}, engine = currentEngine() } = this.#options;
    const collate = this.#options.collate ?? ((samples) => engine.scope(() => stack(engine, samples, dtypes) as B));
    const batches = this.batches();
    this.epoch++;
    const fetched: Promise<S[]>[] = [];
    const fetch = (): void => {
      const numbers = batches[fetched.length];
      if (!numbers) return;
      const samples = Promise.all(numbers.map(async (index) => this.#sample(index)));
      // Where it fails, that is thrown in its turn.
      samples.catch(() => undefined);
      fetched.push(samples);
    };
    for (let index = 0; index < batches.length; index++) {
      while (fetched.length <= Math.min(index + prefetch, batches.length - 1)) fetch();
      const samples = await fetched[index];
      delete fetched[index];
      const batch = collate(samples);
      // A walk outlives any scope that it was asked for in.
      for (const tensor of collectTensors(batch)) engine.keep(tensor);
      try {
        yield batch;
      } finally {
        for (const tensor of collectTensors(batch)) tensor.dispose();
      }
    }
  }

  #sample(index: number): S | Promise<S> {
    const dataset = this.#dataset;
    return Array.isArray(dataset) ? dataset[index] : (dataset as Exclude<Dataset<S>, readonly S[]>).get(index);
  }
}
