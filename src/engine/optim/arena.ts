/** Lays the state of many parameters end to end in few buffers. */
import type { Engine } from '../autograd/engine.ts';
import type { Tensor } from '../autograd/tensor.ts';
import { HEAD_GROUPS, momentGroups } from '../ops/optimizer/layout.ts';
import { MOST_STATE_GROUPS } from '../ops/optimizer/steps.ts';
import { Storage } from '../ops/value.ts';
import { type NamedTensors, requireState, stateTensor } from './state.ts';
import type { NamedParameter } from './parameters.ts';

/** One buffer of an arena. */
interface ArenaBuffer {
  readonly tensor: Tensor;
  /** The first elements of `tensor`, four for each parameter: what changes from step to step. */
  readonly heads: Tensor;
}

/** Where a parameter's head lies, and its moments: `moments` runs of `momentGroups(size)` groups of four floats, from group `first` on. */
export interface Place<P extends NamedParameter> {
  readonly parameter: P;
  readonly buffer: ArenaBuffer;
  readonly head: number;
  readonly first: number;
}

/**
 * State that belongs to parameters (moments, averages), laid end to end in as few device buffers as the binding limit allows: a kernel
 * that updates several parameters binds one buffer for the moments of all of them. The elements of each start on a group of four.
 */
export class StateArena<P extends NamedParameter> {
  /** Largest parameters first, so that those which share a dispatch are of like size. */
  readonly places: readonly Place<P>[];
  readonly #buffers: readonly ArenaBuffer[];
  readonly #moments: readonly string[];

  /** `moments` are the names of what each parameter has; state is named `<parameter>.<moment>`, or `<parameter>` for ''. */
  constructor(engine: Engine, params: readonly P[], moments: readonly string[], label: string) {
    this.#moments = moments;
    const momentsOf = ({ tensor }: P): number => moments.length * momentGroups(tensor.size);
    const bins: { params: P[]; groups: number }[] = [];
    for (const parameter of [...params].sort((a, b) => b.tensor.size - a.tensor.size)) {
      const groups = HEAD_GROUPS + momentsOf(parameter);
      let bin = bins.at(-1);
      if (!bin || bin.groups + groups > MOST_STATE_GROUPS) {
        bin = { params: [], groups: 0 };
        bins.push(bin);
      }
      bin.params.push(parameter);
      bin.groups += groups;
    }
    const places: Place<P>[] = [];
    this.#buffers = bins.map((bin) => {
      const tensor = stateTensor(engine, [4 * bin.groups], new Float32Array(4 * bin.groups), label);
      const groups = HEAD_GROUPS * bin.params.length;
      const buffer = { tensor, heads: startOf(tensor, 4 * groups) };
      let first = groups;
      bin.params.forEach((parameter, head) => {
        places.push({ parameter, buffer, head, first });
        first += momentsOf(parameter);
      });
      return buffer;
    });
    this.places = places;
  }

  /** Overwrites the four numbers that each parameter's head is. Not inside a capture. */
  writeHeads(numbersOf: (parameter: P) => readonly [number, number, number, number]): void {
    for (const buffer of this.#buffers) {
      const places = this.places.filter((place) => place.buffer === buffer);
      buffer.heads.write(Float64Array.from(places.flatMap(({ parameter }) => numbersOf(parameter))));
    }
  }

  /** Places that share a buffer, of those that `wanted` accepts, as many at a time as one of `counts` says, the largest first; 1 is among them. */
  batches(counts: readonly number[], wanted: (parameter: P) => boolean): Place<P>[][] {
    const runs: Place<P>[][] = [];
    for (const place of this.places) {
      if (!wanted(place.parameter)) continue;
      const last = runs.at(-1);
      if (last && last[0].buffer === place.buffer) last.push(place);
      else runs.push([place]);
    }
    return runs.flatMap((run) => {
      const batches: Place<P>[][] = [];
      for (let from = 0; from < run.length; from += batches[batches.length - 1].length) {
        const most = counts.find((count) => count <= run.length - from) ?? 1;
        batches.push(run.slice(from, from + most));
      }
      return batches;
    });
  }

  /** Waits for the device and reads the state of all parameters, in no particular order. */
  async read(): Promise<NamedTensors> {
    const result: NamedTensors = new Map();
    for (const buffer of this.#buffers) {
      const data = await buffer.tensor.data();
      for (const { name, from, size } of this.#ranges(buffer)) {
        result.set(name, Float32Array.from(data.subarray(from, from + size)));
      }
    }
    return result;
  }

  /** Overwrites all of it. Throws `optim/state` where names or element counts differ; nothing is written then. */
  write(what: string, state: ReadonlyMap<string, Float32Array>): void {
    const expected = this.#buffers.flatMap((buffer) => this.#ranges(buffer));
    requireState(what, new Map(expected.map(({ name, shape }) => [name, shape])), state);
    for (const buffer of this.#buffers) {
      const data = new Float32Array(buffer.tensor.size);
      for (const { name, from } of this.#ranges(buffer)) data.set(state.get(name) as Float32Array, from);
      buffer.tensor.write(data);
    }
  }

  #ranges(of: ArenaBuffer) {
    return this.places.flatMap(({ parameter: { name, tensor }, buffer, first }) =>
      buffer === of
        ? this.#moments.map((moment, index) => ({
            name: moment ? `${name}.${moment}` : name,
            from: 4 * (first + index * momentGroups(tensor.size)),
            size: tensor.size,
            shape: tensor.shape,
          }))
        : [],
    );
  }

  dispose(): void {
    for (const { tensor, heads } of this.#buffers) {
      heads.dispose();
      tensor.dispose();
    }
  }
}

/** The first `count` elements of a tensor as a tensor over the same memory. */
function startOf(tensor: Tensor, count: number): Tensor {
  const { storage } = tensor.value;
  const { handle } = storage;
  storage.retain();
  const first = handle.kind === 'host' ? { ...handle, data: handle.data.subarray(0, count) } : handle;
  const view = {
    spec: { shape: [count], dtype: 'f32' },
    storage: new Storage(first, () => storage.release()),
  } as const;
  return tensor.engine.adopt(view).keep();
}
