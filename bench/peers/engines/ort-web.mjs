/** Child process of ONNX Runtime web on WebGPU; inputs and outputs stay on the device. */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { serve } from '../../../dist/bench/peers/child.js';
import { WORKLOADS } from '../../../dist/bench/peers/workloads.js';
import { adapters, deviceDone, devices, provideNavigator } from './navigator.mjs';
import { onnxModel } from './onnx.mjs';
import { ortEngine } from './ort-common.mjs';

await serve(async () => {
  await provideNavigator();
  const resolve = createRequire(import.meta.url).resolve;
  const folder = dirname(resolve('onnxruntime-web'));
  const ort = await import(pathToFileURL(join(folder, 'ort.webgpu.min.mjs')).href);
  const { version } = createRequire(import.meta.url)(join(folder, '..', 'package.json'));
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = 'error';
  // Dawn's promises settle only while the event loop turns, and the module's own waiting does not turn it.
  setInterval(() => {}, 2);
  // The first session loads the module and opens the device: it counts as start-up, like the `init` of other engines.
  const first = await ort.InferenceSession.create(onnxModel(WORKLOADS[0]), { executionProviders: ['webgpu'] });
  await first.release();
  return ortEngine(
    { version, adapter: adapters[0] },
    {
      async session(model) {
        const session = await ort.InferenceSession.create(model, {
          executionProviders: ['webgpu'],
          preferredOutputLocation: 'gpu-buffer',
        });
        copySharedViews();
        return session;
      },
      async upload({ data, shape }) {
        const device = await ort.env.webgpu.device;
        const buffer = device.createBuffer({
          size: Math.ceil(data.byteLength / 16) * 16,
          usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
        });
        device.queue.writeBuffer(buffer, 0, data);
        return ort.Tensor.fromGpuBuffer(buffer, { dataType: 'float32', dims: shape, dispose: () => buffer.destroy() });
      },
      wait: deviceDone,
    },
  );
});

/** Dawn's bindings refuse views of shared memory, in which the module's heap lies. */
function copySharedViews() {
  for (const { queue } of devices) {
    if (Object.hasOwn(queue, 'writeBuffer')) continue;
    const writeBuffer = queue.writeBuffer.bind(queue);
    Object.defineProperty(queue, 'writeBuffer', {
      value: (buffer, offset, data, from, size) => {
        const memory = ArrayBuffer.isView(data) ? data.buffer : data;
        if (!(memory instanceof SharedArrayBuffer)) return writeBuffer(buffer, offset, data, from, size);
        const bytes = ArrayBuffer.isView(data)
          ? new Uint8Array(memory, data.byteOffset, data.byteLength)
          : new Uint8Array(memory);
        const unit = ArrayBuffer.isView(data) && !(data instanceof DataView) ? data.BYTES_PER_ELEMENT : 1;
        const start = (from ?? 0) * unit;
        return writeBuffer(buffer, offset, bytes.slice(start, size === undefined ? undefined : start + size * unit));
      },
    });
  }
}
