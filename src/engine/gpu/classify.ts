/** Classifies and describes adapters, for choosing kernel variants and for messages. */
export type AdapterKind = 'hardware' | 'lavapipe' | 'swiftshader' | 'other-software';

/** The fields of `GPUAdapterInfo` as plain data, so that they can cross a process boundary. */
export interface AdapterInfo {
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly description: string;
  readonly isFallbackAdapter: boolean;
  /** Smallest and largest subgroup in lanes; 0 where the adapter does not report them. */
  readonly subgroupMinSize: number;
  readonly subgroupMaxSize: number;
}

/** The names of the fields above: native getters do not serialize by themselves. */
export const INFO_FIELDS = [
  'vendor',
  'architecture',
  'device',
  'description',
  'isFallbackAdapter',
  'subgroupMinSize',
  'subgroupMaxSize',
] as const satisfies readonly (keyof AdapterInfo)[];

/** Copies the adapter's info into plain data (the native object's fields are getters and do not serialize). */
export function readAdapterInfo(info: GPUAdapterInfo): AdapterInfo {
  return {
    vendor: info.vendor,
    architecture: info.architecture,
    device: info.device,
    description: info.description,
    isFallbackAdapter: info.isFallbackAdapter ?? false,
    subgroupMinSize: info.subgroupMinSize ?? 0,
    subgroupMaxSize: info.subgroupMaxSize ?? 0,
  };
}

/**
 * Distinguishes hardware from the software rasterizers.
 *
 * Dawn sets `isFallbackAdapter` for adapters of the CPU type; Mesa's lavapipe calls itself llvmpipe, SwiftShader has an
 * architecture of its own, and Windows' WARP is the "Basic Render Driver" of Microsoft.
 */
export function classifyAdapter(info: AdapterInfo): AdapterKind {
  const text = `${info.architecture} ${info.device} ${info.description}`.toLowerCase();
  if (text.includes('swiftshader')) return 'swiftshader';
  if (/llvmpipe|lavapipe/.test(text)) return 'lavapipe';
  if (info.isFallbackAdapter || info.architecture === 'software' || text.includes('basic render driver')) {
    return 'other-software';
  }
  return 'hardware';
}

/** Whether `name` is a case-insensitive part of the kind or of any name the adapter goes by. */
export function matchesName(info: AdapterInfo, name: string): boolean {
  const wanted = name.toLowerCase();
  const names = [classifyAdapter(info), info.vendor, info.architecture, info.device, info.description];
  return names.some((candidate) => candidate.toLowerCase().includes(wanted));
}

/** One line for messages: what the adapter calls itself, falling back to the parts that are not empty. */
export function describeAdapter(info: AdapterInfo): string {
  const parts = [info.vendor, info.architecture, info.device].filter((part) => part !== '');
  if (info.description === '') return parts.join(' ') || 'an adapter without a name';
  return info.vendor === '' ? info.description : `${info.description} (${info.vendor})`;
}
