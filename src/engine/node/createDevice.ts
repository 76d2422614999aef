/** Opens a device in Node. */
import { sleepingWait } from './sleepingWait.ts';
import { GpuDevice, type GpuDeviceOptions } from '../gpu/device.ts';
import { type AdapterChoice, type OpenedAdapter, openAdapter } from './open.ts';

export interface NodeDeviceOptions extends Omit<GpuDeviceOptions, 'deviceClass' | 'onDestroy'> {
  readonly adapter?: AdapterChoice;
  readonly dawnFeatures?: readonly string[];
}

/** A device in Node on the adapter asked for (see `openAdapter`), with the package's own shaders. */
export async function createNodeDevice(
  options: NodeDeviceOptions = {},
): Promise<{ device: GpuDevice; opened: OpenedAdapter }> {
  const opened = await openAdapter(options.adapter, { dawnFeatures: options.dawnFeatures });
  try {
    const device = await GpuDevice.open(opened.adapter, {
      ...options,
      deviceClass: opened.kind === 'hardware' ? 'gpu' : 'software',
      ...(opened.kind !== 'hardware' && { wait: sleepingWait }),
      onDestroy: () => opened.release(),
    });
    return { device, opened };
  } catch (error) {
    opened.release();
    throw error;
  }
}
