/** Child process of TensorFlow.js on WebAssembly (SIMD, one thread: its worker threads need a browser). */
import { fileURLToPath } from 'node:url';
import { serve } from '../../../dist/bench/peers/child.js';
import { CHECKED_PARAMETERS, STEP } from '../../../dist/bench/peers/workloads.js';

await serve(async () => {
  const { tf, tfjsEngine, setWasmPaths } = await import('../../../.cache/peers/bundles/tfjs-wasm.mjs');
  setWasmPaths(fileURLToPath(new URL('../node_modules/@tensorflow/tfjs-backend-wasm/dist/', import.meta.url)));
  await tf.setBackend('wasm');
  await tf.ready();
  if (tf.getBackend() !== 'wasm') throw new Error(`tfjs fell back to its backend ${tf.getBackend()}`);
  // Ops have finished when they return.
  const info = { version: tf.version_core, threads: '1', simd: String(await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT')) };
  return tfjsEngine(info, async () => {}, { STEP, CHECKED_PARAMETERS });
});
