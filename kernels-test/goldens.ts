/** Reads the goldens that fixtures/make_goldens.py wrote, and takes their tensors from PyTorch's layouts to the engine's. */
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { SafetensorsFile, StoredTensor } from '../src/engine/io/safetensors.ts';
import { readSafetensors } from '../src/engine/node/safetensorsFile.ts';
import type { ExternalTensor } from '../src/engine/nn/module.ts';
import { stridesOf } from '../src/engine/tensor/shape.ts';

/** How PyTorch and the engine hold a tensor: alike, NCHW / NHWC, OIHW / HWIO, or (C, 1, KH, KW) / (KH, KW, C). */
const LAYOUTS = ['plain', 'image', 'filter', 'depthwise'] as const;
export type Layout = (typeof LAYOUTS)[number];

/** Axis k of the engine's tensor is axis `ORDER[layout][k]` of PyTorch's; axes left out have extent 1. */
const ORDERS: Record<Exclude<Layout, 'plain'>, readonly number[]> = {
  image: [0, 2, 3, 1],
  filter: [2, 3, 1, 0],
  depthwise: [2, 3, 0],
};

export interface EngineArray {
  readonly shape: readonly number[];
  readonly data: Float64Array;
  readonly dtype: 'f32' | 'i32';
}

/** A stored tensor in the engine's layout. */
export function toEngine({ shape, data, dtype }: StoredTensor, layout: Layout): EngineArray {
  const numbers = Float64Array.from(data, Number);
  const kind = dtype === 'I32' ? 'i32' : 'f32';
  if (layout === 'plain') return { shape, data: numbers, dtype: kind };
  const order = ORDERS[layout];
  const strides = stridesOf(shape);
  const extents = order.map((axis) => shape[axis]);
  const packed = stridesOf(extents);
  const moved = numbers.map((_, to) => {
    const from = order.reduce((sum, axis, k) => sum + (Math.floor(to / packed[k]) % extents[k]) * strides[axis], 0);
    return numbers[from];
  });
  return { shape: extents, data: moved, dtype: kind };
}

export class Goldens {
  readonly #file: SafetensorsFile;

  constructor(file: SafetensorsFile) {
    this.#file = file;
  }

  static async read(name: string): Promise<Goldens> {
    return new Goldens(
      await readSafetensors(fileURLToPath(new URL(`fixtures/goldens-${name}.safetensors`, import.meta.url))),
    );
  }

  tensor(name: string): StoredTensor {
    const tensor = this.#file.tensors.get(name);
    if (!tensor) throw new Error(`the goldens hold no ${name}: run fixtures/make_goldens.py`);
    return tensor;
  }

  has(name: string): boolean {
    return this.#file.tensors.has(name);
  }

  /** Everything under `prefix`, without it, as a state dict. */
  group(prefix: string): Map<string, ExternalTensor> {
    const found = [...this.#file.tensors].filter(([name]) => name.startsWith(prefix));
    return new Map(
      found.map(([name, { shape, data }]) => [
        name.slice(prefix.length),
        { shape, data: Float32Array.from(data, Number) },
      ]),
    );
  }

  metadata<T>(key: string, schema: z.ZodType<T>): T {
    return schema.parse(JSON.parse(this.#file.metadata[key]));
  }
}

export const casesSchema = z.array(
  z.strictObject({
    op: z.string(),
    name: z.string(),
    attributes: z.record(z.string(), z.unknown()),
    layouts: z.array(z.enum(LAYOUTS)),
    out: z.enum(LAYOUTS),
    /** Inputs whose gradients are stored. */
    grads: z.array(z.number()),
    /** Inputs that are changed in place. */
    updated: z.array(z.number()),
    /** Upper bound of the relative L2 error on an adapter. */
    bound: z.number(),
  }),
);

export const optimizersSchema = z.array(
  z.strictObject({ op: z.string(), name: z.string(), options: z.record(z.string(), z.unknown()) }),
);
