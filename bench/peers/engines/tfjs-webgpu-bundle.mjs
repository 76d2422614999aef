/** What run.ts bundles for tfjs-webgpu.mjs. */
import '@tensorflow/tfjs-backend-webgpu';
export { tf, tfjsEngine } from './tfjs-common.mjs';
