/** The device that the tests of one process share. */
import { afterAll, beforeAll } from 'vitest';
import { Engine } from '../src/engine/autograd/engine.ts';
import { GpuDevice } from '../src/engine/gpu/device.ts';
import type { DeviceClass } from '../src/engine/gpu/kernel.ts';
import { createNodeDevice } from '../src/engine/node/createDevice.ts';
import { openAdapter } from '../src/engine/node/open.ts';
import { sleepingWait } from '../src/engine/node/sleepingWait.ts';
import { GpuBackend } from '../src/engine/ops/gpuBackend.ts';

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

/** To be called once per group of tests: a device of its own that plans as for `deviceClass`, and its engine, both there once the tests begin. */
export function usePlansFor(deviceClass: DeviceClass): { readonly device: GpuDevice; readonly engine: Engine } {
  const used = {} as { device: GpuDevice; engine: Engine };
  beforeAll(async () => {
    const { adapter, release } = await openAdapter();
    used.device = await GpuDevice.open(adapter, { deviceClass, wait: sleepingWait, onDestroy: release });
    used.engine = new Engine(new GpuBackend(used.device));
  });
  afterAll(() => used.device.destroy());
  return used;
}
