/** The tensors of fixtures/pretrained_goldens.json, made from their formula (which stands in the script beside it). */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { StoredTensor } from '../../io/safetensors.ts';
import { sizeOf } from '../../tensor/spec.ts';

const shape = z.array(z.int());
const tensorSchema = z.object({
  torchvision: z.string(),
  timm: z.string(),
  original: z.string(),
  shape,
  timmShape: shape.optional(),
  originalShape: shape.optional(),
  scale: z.number().optional(),
  offset: z.number().optional(),
  counter: z.int().optional(),
});
const modelSchema = z.object({ tensors: z.array(tensorSchema), logits: z.array(z.array(z.number())) });
const goldensSchema = z.object({
  inputShape: z.tuple([z.int(), z.int(), z.int(), z.int()]),
  classes: z.int(),
  models: z.object({ resnet18: modelSchema, convnext_atto: modelSchema, convnext_tiny: modelSchema }),
});

export type GoldenTensor = z.infer<typeof tensorSchema>;
export type GoldenModel = z.infer<typeof modelSchema>;
export type Goldens = z.infer<typeof goldensSchema>;
export type Convention = 'torchvision' | 'timm' | 'original';

export async function readGoldens(): Promise<Goldens> {
  const file = new URL('./fixtures/pretrained_goldens.json', import.meta.url);
  return goldensSchema.parse(JSON.parse(await readFile(file, 'utf8')));
}

/** u(name, i) of the script, scaled: i = 0 … count - 1. */
function formula(name: string, count: number, scale: number, offset: number): Float32Array {
  let seed = 2166136261;
  for (const byte of new TextEncoder().encode(name)) seed = Math.imul(seed ^ byte, 16777619) >>> 0;
  const values = new Float32Array(count);
  for (let index = 0; index < count; index++) {
    let h = (Math.imul(index, 0x9e3779b9) + seed) | 0;
    h ^= h >>> 16;
    h = Math.imul(h, 0x85ebca6b);
    h ^= h >>> 13;
    h = Math.imul(h, 0xc2b2ae35);
    h ^= h >>> 16;
    values[index] = offset + scale * (((h >>> 8) / 2 ** 24) * 2 - 1);
  }
  return values;
}

/** A golden tensor's elements. */
export function elementsOf(tensor: GoldenTensor): Float32Array {
  const { torchvision: name, scale, offset, counter } = tensor;
  if (scale === undefined || offset === undefined) return Float32Array.of(counter ?? Number.NaN);
  return formula(name, sizeOf(tensor.shape), scale, offset);
}

/** The shape that a project's file gives a tensor. */
export function shapeIn(tensor: GoldenTensor, convention: Convention): readonly number[] {
  return (convention === 'torchvision' ? undefined : tensor[`${convention}Shape`]) ?? tensor.shape;
}

/** A model's tensors as a project's file has them. Counters are I64, as PyTorch's; `leaveOut` drops names. */
export function storedAs(
  model: GoldenModel,
  convention: Convention,
  options: { readonly prefix?: string; readonly leaveOut?: RegExp } = {},
): Map<string, StoredTensor> {
  const { prefix = '', leaveOut } = options;
  const stored = new Map<string, StoredTensor>();
  for (const tensor of model.tensors) {
    const name = tensor[convention];
    if (leaveOut?.test(name)) continue;
    const data = elementsOf(tensor);
    stored.set(
      prefix + name,
      tensor.counter === undefined
        ? { dtype: 'F32', shape: shapeIn(tensor, convention), data }
        : { dtype: 'I64', shape: [], data: BigInt64Array.of(BigInt(tensor.counter)) },
    );
  }
  return stored;
}

/** The goldens' input, [N, H, W, C]: the script draws it in NCHW order. */
export function inputOf({ inputShape: [n, c, height, width] }: Goldens): Float32Array {
  const planes = formula('input', n * c * height * width, 1.5, 0);
  const plane = height * width;
  return Float32Array.from(planes, (_, index) => {
    const channel = index % c;
    const pixel = Math.floor(index / c);
    return planes[(Math.floor(pixel / plane) * c + channel) * plane + (pixel % plane)];
  });
}
