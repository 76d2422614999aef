import { Engine, type EngineOptions, setEngine } from '../autograd/engine.ts';
import { createNodeDevice, type NodeDeviceOptions } from './createDevice.ts';
import { GpuBackend } from '../ops/gpuBackend.ts';
import { loadTuned } from './tuned.ts';

export interface CreateEngineOptions extends NodeDeviceOptions, EngineOptions {
  /** Whether to run kernels in the versions that `gmtl tune` measured to be fastest, where it did. Default: unless GMTL_TUNE is off. */
  readonly tuned?: boolean;
}

/**
 * Opens an adapter in Node, makes an engine on it and makes that the current one. `engine.backend.destroy()` at the end lets the
 * process exit.
 *
 * @throws GmtlError `adapter/…` when there is no such adapter.
 */
export async function createEngine(options: CreateEngineOptions = {}): Promise<Engine> {
  const { device } = await createNodeDevice(options);
  const file = options.tuned === false ? null : loadTuned(device.info);
  if (file?.note) process.emitWarning(file.note, { code: 'GMTL_TUNED' });
  const engine = new Engine(new GpuBackend(device, file ? { tuned: file.tuned } : {}), options);
  setEngine(engine);
  return engine;
}
