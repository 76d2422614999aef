/**
 * Provides `navigator.gpu` for libraries made for browsers: the adapter that gmtl itself would take, through the same Dawn. Every device
 * that a library opens is kept in `devices`, so that the harness can wait for all engines in the same way.
 */
import { describeAdapter, readAdapterInfo } from '../../../dist/src/engine/gpu/classify.js';
import { openAdapter } from '../../../dist/src/engine/node/open.js';

/** @type {GPUDevice[]} */
export const devices = [];
/** @type {string[]} */
export const adapters = [];
/** @type {string[]} */
const errors = [];

/** Must run before the library is imported: some look for WebGPU when they load. */
export async function provideNavigator() {
  // Dawn keeps the constants of WebGPU (GPUBufferUsage and so on) beside its `create`.
  const { globals } = await import('webgpu');
  Object.assign(globalThis, globals);
  const gpu = {
    async requestAdapter() {
      const { adapter } = await openAdapter();
      adapters.push(describeAdapter(readAdapterInfo(adapter.info)));
      const requestDevice = adapter.requestDevice.bind(adapter);
      Object.defineProperty(adapter, 'requestDevice', {
        value: async (descriptor) => {
          const device = await requestDevice(descriptor);
          // Libraries ignore errors that leave their results undefined.
          device.addEventListener('uncapturederror', (event) => errors.push(event.error.message));
          devices.push(device);
          return device;
        },
      });
      return adapter;
    },
    getPreferredCanvasFormat: () => 'rgba8unorm',
    wgslLanguageFeatures: new Set(),
  };
  const navigator = { gpu, userAgent: 'node', hardwareConcurrency: (await import('node:os')).availableParallelism() };
  Object.defineProperty(globalThis, 'navigator', { value: navigator, configurable: true, writable: true });
}

/** Resolves when the library's device has finished everything submitted. Throws what the device reported. */
export async function deviceDone() {
  await Promise.all(devices.map((device) => device.queue.onSubmittedWorkDone()));
  if (errors.length > 0) throw new Error(`WebGPU refused a command: ${errors[0]}`);
}
