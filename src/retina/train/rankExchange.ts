/** What ranks exchange in the middle of a step: gradients to be summed, and the rest of each micro-batch to be known to all. */
import type { Engine } from '../../engine/autograd/engine.ts';
import type { Tensor } from '../../engine/autograd/tensor.ts';
import * as F from '../../engine/nn/functional.ts';
import type { BatchNorm2d, BatchStatistics } from '../../engine/nn/normalization.ts';
import type { Ranks } from '../../engine/node/ranks.ts';
import { GpuBackend } from '../../engine/ops/gpuBackend.ts';
import { fillProgram } from '../../engine/ops/movement/convert.ts';
import { GmtlError } from '../../engine/errors.ts';
import { flatten, type StepGradients, unflatten } from './stepGradients.ts';
import type { MicroReport } from './stepReport.ts';

/** A rank's half step as tensors to be read back: gradients end to end, and statistics and numbers of its micro-batches. */
export interface Packed {
  readonly gradients: readonly Tensor[];
  readonly statistics: Tensor | null;
  readonly numbers: Tensor;
  readonly layout: GradientLayout;
  /** For each of this rank's micro-batches the batch norm layers that ran, as indices into the network's, in their order. */
  readonly ran: readonly (readonly number[])[];
}

/** Where each gradient lies in the packed buffers. */
interface GradientLayout {
  /** By gradient, as `flatten` orders them: whether this rank has one. */
  readonly present: Uint8Array;
  readonly sizes: readonly number[];
  readonly shapes: readonly (readonly number[])[];
  /** How many gradients each buffer holds. */
  readonly perBuffer: readonly number[];
  /** Number of trained and of shared parameters; null: tasks are not kept apart. */
  readonly params: number;
  readonly shared: number | null;
}

/** What a rank tells the others in each step. */
interface RankMessage {
  /** Someone asked this rank to stop after this step. */
  readonly stop: boolean;
  /** The gradient norm of the step before, which must be one and the same on all. */
  readonly check: number;
  readonly present: Uint8Array;
  readonly ran: readonly (readonly number[])[];
  readonly statistics: Float32Array;
  readonly reports: readonly MicroReport[];
}

/** The whole step as every rank knows it after the exchange. */
export interface Exchanged {
  readonly stop: boolean;
  readonly reports: readonly MicroReport[];
  readonly present: Uint8Array;
  /** By micro-batch of the whole step. */
  readonly ran: readonly (readonly number[])[];
  readonly gradients: readonly Float32Array[];
  readonly statistics: Float32Array;
}

/** Elements of float32 that one buffer can be bound with. */
function mostElements(engine: Engine): number {
  const { backend } = engine;
  return backend instanceof GpuBackend
    ? Math.floor(backend.gpu.target.limits.maxStorageBufferBindingSize / 4)
    : Number.POSITIVE_INFINITY;
}

/**
 * Lays gradients end to end in as few buffers as can be bound, zeros where there is none, and takes them over.
 *
 * @param shapes of all gradients, as `flatten` orders them. @param statistics by micro-batch; taken over.
 */
export function pack(
  engine: Engine,
  gradients: StepGradients,
  shapes: readonly (readonly number[])[],
  statistics: readonly (readonly BatchStatistics[])[],
  layers: readonly BatchNorm2d[],
  numbers: readonly Tensor[],
): Packed {
  const tensors = flatten(gradients);
  const sizes = shapes.map((shape) => shape.reduce((product, extent) => product * extent, 1));
  const perBuffer: number[] = [];
  const most = mostElements(engine);
  let elements = Number.POSITIVE_INFINITY;
  for (const size of sizes) {
    if (elements + size > most) {
      perBuffer.push(0);
      elements = 0;
    }
    perBuffer[perBuffer.length - 1]++;
    elements += size;
  }
  return engine.noGrad(() => {
    const flat = tensors.map((tensor, index) =>
      tensor ? tensor.reshape([-1]) : engine.run(fillProgram, [], { shape: [sizes[index]], value: 0 })[0],
    );
    let first = 0;
    const buffers = perBuffer.map((count) => {
      first += count;
      return F.concat(flat.slice(first - count, first), 0);
    });
    for (const tensor of tensors) tensor?.dispose();
    const vectors = statistics.flat().flatMap(({ mean, variance }) => [mean, variance]);
    const packed = {
      gradients: buffers,
      statistics: vectors.length > 0 ? F.concat(vectors, 0) : null,
      numbers: F.concat([...numbers], 0),
    };
    for (const vector of vectors) vector.dispose();
    for (const tensor of [...buffers, packed.statistics, packed.numbers]) tensor?.keep();
    return {
      ...packed,
      layout: {
        present: Uint8Array.from(tensors, (tensor) => (tensor ? 1 : 0)),
        ...{ sizes, shapes, perBuffer },
        params: gradients.all.length,
        shared: gradients.tasks?.[0].length ?? null,
      },
      ran: statistics.map((of) => of.map(({ layer }) => layers.indexOf(layer))),
    };
  });
}

/** Reads a half step back and exchanges it with the other ranks. @throws GmtlError `ranks/diverged` on all of them. */
export async function exchange(
  ranks: Ranks,
  packed: Packed,
  own: Pick<RankMessage, 'stop' | 'check'> & { readonly reports: (numbers: Float32Array) => MicroReport[] },
  flush: boolean,
): Promise<Exchanged> {
  const read = [packed.numbers, packed.statistics, ...packed.gradients].map(
    async (tensor) => ((await tensor?.data()) ?? new Float32Array(0)) as Float32Array,
  );
  const [numbers, statistics, ...gradients] = await Promise.all(read);
  const { stop, check } = own;
  const { present } = packed.layout;
  const message: RankMessage = { stop, check, present, ran: packed.ran, statistics, reports: own.reports(numbers) };
  const all = await ranks.gatherValues(message);
  const stray = all.findIndex((one) => !Object.is(one.check, all[0].check));
  if (stray > 0) {
    ranks.agree(
      new GmtlError(
        'ranks/diverged',
        `the ranks no longer hold the same weights: the gradient norm of the last step was ${all[0].check} on rank 0 and ${all[stray].check} ` +
          `on rank ${stray}. Their adapters, drivers or memory differ: go on from the last checkpoint on machines of one kind.`,
      ),
    );
  }
  const sums: Float32Array[] = [];
  for (const values of gradients) sums.push(await ranks.sum(values, flush));
  const counts = all.map((one) => one.statistics.length);
  const allStatistics = new Float32Array(counts.reduce((sum, count) => sum + count, 0));
  let at = 0;
  for (const one of all) {
    allStatistics.set(one.statistics, at);
    at += one.statistics.length;
  }
  return {
    stop: all.some((one) => one.stop),
    reports: all.flatMap(({ reports }) => reports),
    present: present.map((_, index) => (all.some((one) => one.present[index] === 1) ? 1 : 0)),
    ran: all.flatMap(({ ran }) => ran),
    gradients: sums,
    statistics: allStatistics,
  };
}

/** The tensors that an exchange is written into, for one layout of it. */
export class Received {
  readonly #engine: Engine;
  readonly #layout: GradientLayout;
  readonly #gradients: readonly Tensor[];
  readonly #statistics: Tensor | null;
  readonly #present: Uint8Array;
  readonly #ran: readonly (readonly number[])[];

  constructor(engine: Engine, layout: GradientLayout, { gradients, statistics, present, ran }: Exchanged) {
    this.#engine = engine;
    this.#layout = layout;
    this.#present = present;
    this.#ran = ran;
    const empty = (length: number): Tensor => engine.empty([length], { name: 'exchanged' }).keep();
    this.#gradients = gradients.map(({ length }) => empty(length));
    this.#statistics = statistics.length > 0 ? empty(statistics.length) : null;
  }

  /** Uploads what was exchanged, before it is used. */
  write({ gradients, statistics }: Exchanged): void {
    this.#gradients.forEach((tensor, index) => {
      tensor.write(gradients[index]);
    });
    this.#statistics?.write(statistics);
  }

  /** The summed gradients, and the statistics by micro-batch: tensors of the current scope. */
  unpack(layers: readonly BatchNorm2d[]): { gradients: StepGradients; statistics: BatchStatistics[][] } {
    const { perBuffer, sizes, shapes, params, shared } = this.#layout;
    return this.#engine.noGrad(() => {
      const tensors: (Tensor | null)[] = [];
      perBuffer.forEach((count, buffer) => {
        let at = 0;
        for (let k = 0; k < count; k++) {
          const index = tensors.length;
          const end = at + sizes[index];
          const own = this.#present[index] === 1;
          tensors.push(own ? this.#gradients[buffer].slice(0, at, end).reshape(shapes[index]) : null);
          at = end;
        }
      });
      const nulls = (count: number): null[] => Array.from({ length: count }, () => null);
      const like = { all: nulls(params), tasks: shared === null ? null : ([nulls(shared), nulls(shared)] as const) };
      let at = 0;
      const vector = (channels: number): Tensor => {
        at += channels;
        return (this.#statistics as Tensor).slice(0, at - channels, at);
      };
      const statistics = this.#ran.map((indices) =>
        indices.map((index): BatchStatistics => {
          const layer = layers[index];
          const [channels] = layer.weight.shape;
          return { layer, mean: vector(channels), variance: vector(channels) };
        }),
      );
      return { gradients: unflatten(tensors, like), statistics };
    });
  }

  dispose(): void {
    for (const tensor of [...this.#gradients, this.#statistics]) tensor?.dispose();
  }
}

/** Tells layouts of an exchange apart. */
export const exchangeKey = ({ present, ran }: Exchanged): string => `${present.join('')} ${JSON.stringify(ran)}`;
