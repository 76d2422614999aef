import type { Engine as EngineType } from '../autograd/engine.ts';
import { Engine, setEngine } from '../autograd/engine.ts';
import type { GpuDevice } from '../gpu/device.ts';
import { createNodeDevice } from './createDevice.ts';
import type { OpenedAdapter } from './open.ts';
import { GpuBackend } from '../ops/gpuBackend.ts';
import { loadTuned } from './tuned.ts';

/** A device and the engine on it, for the length of one command. */
export interface Session {
  readonly engine: EngineType;
  readonly device: GpuDevice;
  readonly opened: OpenedAdapter;
}

/** Opens the adapter, runs `body` and closes everything, so that the process can end by itself. */
export async function withSession<T>(
  adapter: string,
  seed: number,
  body: (session: Session) => Promise<T>,
): Promise<T> {
  const { device, opened } = await createNodeDevice({ adapter });
  const { tuned, note } = loadTuned(device.info);
  if (note !== null) console.error(`note: ${note}`);
  const engine = new Engine(new GpuBackend(device, { tuned }), { seed });
  const previous = setEngine(engine);
  try {
    return await body({ engine, device, opened });
  } finally {
    setEngine(previous);
    device.destroy();
  }
}

/** The option every command that computes has. */
export const adapterOption = {
  type: 'string',
  default: 'auto',
  describe: 'auto, gpu, software, or a part of an adapter name (see `gmtl doctor`)',
} as const;
