/** Child process of TensorFlow.js on WebGPU. */
import { serve } from '../../../dist/bench/peers/child.js';
import { CHECKED_PARAMETERS, STEP } from '../../../dist/bench/peers/workloads.js';
import { adapters, deviceDone, provideNavigator } from './navigator.mjs';

await serve(async () => {
  await provideNavigator();
  // tfjs's check for WebGPU looks for a window or a worker.
  globalThis.WorkerGlobalScope = class WorkerGlobalScope {};
  const { tf, tfjsEngine } = await import('../../../.cache/peers/bundles/tfjs-webgpu.mjs');
  await tf.setBackend('webgpu');
  await tf.ready();
  if (tf.getBackend() !== 'webgpu') throw new Error(`tfjs fell back to its backend ${tf.getBackend()}`);
  const wait = async () => {
    // What `data()` does before it waits, without its copy.
    const backend = tf.backend();
    backend.endComputePassEncoder();
    if (backend.commandEncoder) backend.submitQueue();
    await deviceDone();
  };
  return tfjsEngine({ version: tf.version_core, adapter: adapters[0] }, wait, { STEP, CHECKED_PARAMETERS });
});
