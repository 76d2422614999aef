/** The device that the tests of one process share. */
import { afterAll } from 'vitest';
import type { GpuDevice } from '../src/engine/gpu/device.ts';
import { createNodeDevice } from '../src/engine/node/createDevice.ts';

let shared: Promise<GpuDevice> | null = null;

/** The test process's one device, on the adapter that GMTL_ADAPTER names (else the best there is). */
export async function testDevice(): Promise<GpuDevice> {
  const present = await shared;
  if (present?.failed) {
    // Opens a new device, so that one broken kernel does not fail all tests after it.
    present.destroy();
    shared = null;
  }
  shared ??= createNodeDevice().then(({ device }) => device);
  return shared;
}

/** To be called once per test file: closes the device at its end. */
export function closeDeviceAfterwards(): void {
  afterAll(async () => {
    (await shared)?.destroy();
    shared = null;
  });
}
