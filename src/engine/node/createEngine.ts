/** Opens an adapter in Node and makes an engine on it: for good, or for the length of a body. */
import { setEngine } from '../autograd/currentEngine.ts';
import { Engine, type EngineOptions } from '../autograd/engine.ts';
import type { GpuDevice } from '../gpu/device.ts';
import { GpuBackend } from '../ops/gpuBackend.ts';
import { checkAttributes } from '../arguments.ts';
import { createNodeDevice, type NodeDeviceOptions } from './createDevice.ts';
import type { OpenedAdapter } from './open.ts';
import { loadTuned } from './tuned.ts';

/** Options of {@link createEngine} and {@link withEngine}. */
export interface CreateEngineOptions extends NodeDeviceOptions, EngineOptions {
  /** Whether to run kernels in the versions that `gmtl tune` measured to be fastest, where it did. Default: unless GMTL_TUNE is off. */
  readonly tuned?: boolean;
}

const OPTIONS = {
  adapter: 'text?',
  seed: 'integer?',
  tuned: 'flag?',
  secondsPerSubmit: 'number?',
  dawnFeatures: 'record?',
  shaders: 'record?',
  wait: 'anything?',
  probe: 'flag?',
} as const;

/** An engine, and the device and adapter that it runs on. */
export interface OpenedEngine {
  readonly engine: Engine;
  readonly device: GpuDevice;
  readonly opened: OpenedAdapter;
}

/** `report` is called with the reason where a file of tuned kernels is not used. */
async function openEngine(options: CreateEngineOptions, report: (note: string) => void): Promise<OpenedEngine> {
  checkAttributes('createEngine', OPTIONS, options);
  const { device, opened } = await createNodeDevice(options);
  const file = options.tuned === false ? null : loadTuned(device.info);
  if (file?.note) report(file.note);
  const engine = new Engine(new GpuBackend(device, file ? { tuned: file.tuned } : {}), { seed: options.seed });
  return { engine, device, opened };
}

/**
 * Opens an adapter in Node, makes an engine on it and makes that the current one. `engine.backend.destroy()` at the end lets the
 * process exit.
 *
 * @throws GmtlError `adapter/…` when no adapter fits.
 */
export async function createEngine(options: CreateEngineOptions = {}): Promise<Engine> {
  const { engine } = await openEngine(options, (note) => process.emitWarning(note, { code: 'GMTL_TUNED' }));
  setEngine(engine);
  return engine;
}

/**
 * As `createEngine`, for the length of `body`: afterwards the previous engine is current again and the device is closed, so that the
 * process can end by itself.
 *
 * @throws GmtlError `adapter/…` when no adapter fits; `ops/attribute` for options or a body that are none; what `body` throws.
 */
export async function withEngine<T>(
  options: CreateEngineOptions,
  body: (opened: OpenedEngine) => Promise<T>,
): Promise<T> {
  checkAttributes('withEngine', { options: 'record', body: 'call' }, { options, body });
  const opened = await openEngine(options, (note) => console.error(`note: ${note}`));
  const previous = setEngine(opened.engine);
  try {
    return await body(opened);
  } finally {
    setEngine(previous);
    opened.device.destroy();
  }
}
