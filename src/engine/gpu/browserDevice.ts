/** Opens a device in a browser, in a page or in a worker. */
import { GmtlError } from '../errors.ts';
import { checkAttributes } from '../arguments.ts';
import { type AdapterInfo, classifyAdapter, readAdapterInfo } from './classify.ts';
import { GpuDevice, type GpuDeviceOptions } from './device.ts';

/** Options of {@link createBrowserDevice}. */
export interface BrowserDeviceOptions extends Omit<GpuDeviceOptions, 'deviceClass'> {
  /** Which of two GPUs a laptop should use. Default `high-performance`. */
  readonly powerPreference?: 'low-power' | 'high-performance';
}

const OPTIONS = {
  powerPreference: ['low-power', 'high-performance'],
  secondsPerSubmit: 'number?',
  shaders: 'record?',
  wait: 'call?',
  probe: 'flag?',
  onDestroy: 'call?',
} as const;

/** A device and what the browser says of its adapter (which may be little: browsers hide it from trackers). */
export interface BrowserDevice {
  readonly device: GpuDevice;
  readonly info: AdapterInfo;
}

/**
 * A device on the browser's adapter, with the package's own shaders.
 *
 * @throws GmtlError `adapter/no-webgpu` where the browser or the page has no WebGPU, `adapter/none` where it finds no adapter. Both say what to do.
 */
export async function createBrowserDevice(given: BrowserDeviceOptions = {}): Promise<BrowserDevice> {
  checkAttributes('createBrowserDevice', OPTIONS, given);
  const { powerPreference = 'high-performance', ...options } = given;
  // Node's types know no navigator.
  const { navigator, isSecureContext } = globalThis as {
    readonly navigator?: { readonly gpu?: GPU };
    readonly isSecureContext?: boolean;
  };
  if (!navigator?.gpu) {
    throw new GmtlError(
      'adapter/no-webgpu',
      isSecureContext === false
        ? 'WebGPU is there on secure pages only: open this page by https, or from localhost.'
        : 'This browser has no WebGPU. Chrome and Edge have it from version 113 on (Linux: 144, before that with ' +
            'chrome://flags/#enable-unsafe-webgpu), Safari from 26, Firefox from 141 on Windows and 145 on macOS (on Linux ' +
            'with dom.webgpu.enabled in about:config).',
    );
  }
  const adapter = await navigator.gpu.requestAdapter({ powerPreference });
  if (adapter === null) {
    throw new GmtlError(
      'adapter/none',
      'The browser has WebGPU and found no adapter. Switch graphics acceleration on in its settings, update the graphics driver, or see ' +
        'chrome://gpu (in Firefox about:support) for the reason.',
    );
  }
  const info = readAdapterInfo(adapter.info);
  const deviceClass = classifyAdapter(info) === 'hardware' ? 'gpu' : 'software';
  return { device: await GpuDevice.open(adapter, { ...options, deviceClass }), info };
}
