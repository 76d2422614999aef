/** GPUs by what their makers state, for `gmtl bench step --plan`. */
import type { DeviceSpec } from '../src/engine/tuning/stepPlan.ts';

/** A dispatch after another that it waits for: a few microseconds on every driver that publishes it; an assumption, not a measurement. */
const secondsPerDispatch = 4e-6;

export const DEVICES = {
  h100: {
    ...{
      name: 'NVIDIA H100 SXM',
      flopsPerSecond: 67e12,
      bytesPerSecond: 3.35e12,
      secondsPerDispatch,
      subgroupSize: 32,
    },
    source: 'NVIDIA H100 datasheet: 67 TFLOP/s float32, 3.35 TB/s',
  },
  rtx3050: {
    ...{
      name: 'NVIDIA RTX 3050',
      flopsPerSecond: 9.1e12,
      bytesPerSecond: 0.224e12,
      secondsPerDispatch,
      subgroupSize: 32,
    },
    source: 'NVIDIA: 9.1 TFLOP/s float32, 224 GB/s',
  },
  rx7900xtx: {
    ...{
      name: 'AMD RX 7900 XTX',
      flopsPerSecond: 61.4e12,
      bytesPerSecond: 0.96e12,
      secondsPerDispatch,
      subgroupSize: 32,
    },
    source: 'AMD: 61.4 TFLOP/s float32, 960 GB/s; subgroups of 32 lanes are asked for',
  },
  m3: {
    ...{
      name: 'Apple M3, 10 cores',
      flopsPerSecond: 4.1e12,
      bytesPerSecond: 0.1e12,
      secondsPerDispatch,
      subgroupSize: 32,
    },
    source: 'Apple: 100 GB/s; 10 cores of 128 lanes at 1.6 GHz make 4.1 TFLOP/s float32',
  },
} as const satisfies Record<string, DeviceSpec>;

export type DeviceName = keyof typeof DEVICES;
