import { Engine, type EngineOptions, setEngine } from './autograd/engine.ts';
import { createNodeDevice, type NodeDeviceOptions } from './gpu/node/createDevice.ts';
import { GpuBackend } from './ops/gpuBackend.ts';

export interface CreateEngineOptions extends NodeDeviceOptions, EngineOptions {}

/**
 * Opens an adapter in Node, makes an engine on it and makes that the current one. `engine.backend.destroy()` at the end lets the
 * process exit.
 *
 * @throws GmtlError `adapter/…` when there is no such adapter.
 */
export async function createEngine(options: CreateEngineOptions = {}): Promise<Engine> {
  const { device } = await createNodeDevice(options);
  const engine = new Engine(new GpuBackend(device), options);
  setEngine(engine);
  return engine;
}
