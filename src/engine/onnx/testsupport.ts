/** Runs ONNX models in ONNX Runtime's WebAssembly build, for tests. */
import { InferenceSession, Tensor, env } from 'onnxruntime-web';
import type { Shape, TypedArray } from '../tensor/spec.ts';

env.logLevel = 'error';
env.wasm.numThreads = 1;

/** What is fed to a model, by the input's name. */
export type Feeds = Readonly<Record<string, { readonly shape: Shape; readonly data: TypedArray }>>;

/** Loads a model once and runs it on each of the feeds; gives the outputs' shapes and elements by name. */
export async function runOnnx(
  model: Uint8Array,
  ...feeds: readonly Feeds[]
): Promise<Record<string, { shape: Shape; data: Float32Array }>[]> {
  const session = await InferenceSession.create(model, { executionProviders: ['wasm'], logSeverityLevel: 3 });
  try {
    const results: Record<string, { shape: Shape; data: Float32Array }>[] = [];
    for (const one of feeds) {
      const given = Object.entries(one).map(([name, { shape, data }]) => [name, tensorOf(data, shape)] as const);
      const got = await session.run(Object.fromEntries(given));
      const read = Object.entries(got).map(
        ([name, { dims, data }]) => [name, { shape: dims, data: Float32Array.from(data as Float32Array) }] as const,
      );
      results.push(Object.fromEntries(read));
    }
    return results;
  } finally {
    await session.release();
  }
}

function tensorOf(data: TypedArray, shape: Shape): Tensor {
  if (data instanceof Float32Array) return new Tensor('float32', data, shape);
  return data instanceof Int32Array ? new Tensor('int32', data, shape) : new Tensor('uint32', data, shape);
}
