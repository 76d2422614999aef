/** Child process of ONNX Runtime's native CPU backend. */
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import * as ort from 'onnxruntime-node';
import { serve } from '../../../dist/bench/peers/child.js';
import { ortEngine } from './ort-common.mjs';

await serve(async () => {
  const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json');
  const threads = availableParallelism();
  return ortEngine(
    { version, threads: String(threads) },
    {
      session: (model) =>
        ort.InferenceSession.create(model, { executionProviders: ['cpu'], intraOpNumThreads: threads }),
      upload: async ({ data, shape }) => new ort.Tensor('float32', data, shape),
      // The promise of `run` resolves once the computation is done.
      wait: async () => {},
    },
  );
});
