/** What run.ts bundles for tfjs-wasm.mjs. */
export { setThreadsCount, setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
export { tf, tfjsEngine } from './tfjs-common.mjs';
