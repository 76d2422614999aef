/** Lists the adapters of this machine, each Vulkan driver asked in a process of its own. */
import { GmtlError } from '../errors.ts';
import { type AdapterInfo, type AdapterKind, classifyAdapter, describeAdapter } from '../gpu/classify.ts';
import { explainRefusal, type ProbeResult, probeAdapters } from './probe.ts';
import { type EmbeddedSwiftShader, provideSwiftShader } from './swiftshader.ts';
import {
  type DriverManifest,
  driverEnvironment,
  loadVulkanLoader,
  systemManifests,
  userRestriction,
} from './vulkan.ts';

/**
 * The Dawn toggles every instance gets. No kernel leans on the bounds checks that `disable_robustness` leaves out: kernels-test/inBounds.test.ts
 * counts every index that is outside.
 */
const ENABLED: readonly string[] = ['allow_unsafe_apis', 'disable_robustness', 'vulkan_enable_f16_on_nvidia'];
/** Timestamps rounded to 0.1 ms hide most kernels. */
const DISABLED: readonly string[] = ['timestamp_quantization'];

/**
 * The arguments of Dawn's `create()`.
 *
 * @param extra toggles to enable on top; one with a leading `-` is disabled instead (`-vulkan_enable_f16_on_nvidia`)
 */
export function dawnFlags(extra: readonly string[] = []): string[] {
  const removed = extra.filter((name) => name.startsWith('-')).map((name) => name.slice(1));
  const added = extra.filter((name) => !name.startsWith('-'));
  const enabled = [...ENABLED, ...added].filter((name) => !removed.includes(name));
  const disabled = [...DISABLED, ...removed].filter((name) => !added.includes(name));
  return [`enable-dawn-features=${enabled.join(',')}`, `disable-dawn-features=${disabled.join(',')}`];
}

/** One adapter, or one driver that offers none, as `gmtl doctor` shows it. */
export interface AdapterListing {
  /** What the adapter calls itself, or the driver's manifest where it offers no adapter. */
  readonly name: string;
  /** Absent where the driver offers no adapter. */
  readonly kind: AdapterKind | undefined;
  readonly info: AdapterInfo | undefined;
  /** WebGPU feature names, sorted. */
  readonly features: readonly string[];
  /** WebGPU limits by name. */
  readonly limits: Readonly<Record<string, number>>;
  readonly driver: {
    /** `platform`: Metal or Direct3D; `system` and `embedded`: a Vulkan driver of the machine, or the package's own. */
    readonly source: 'platform' | 'system' | 'embedded';
    /** The Vulkan driver's manifest (ICD json). */
    readonly manifest: string | undefined;
  };
  /** Why the driver offers no adapter; absent where it does. */
  readonly refused: string | undefined;
}

/** SwiftShader where it can be had, and otherwise the reason why not. */
async function embeddedOrWhy(): Promise<{ embedded: EmbeddedSwiftShader | undefined; why: string | undefined }> {
  try {
    return { embedded: await provideSwiftShader(), why: undefined };
  } catch (error) {
    if (!(error instanceof GmtlError)) throw error;
    return { embedded: undefined, why: error.message };
  }
}

function toListings(result: ProbeResult, driver: AdapterListing['driver']): AdapterListing[] {
  if (result.adapters.length === 0) {
    const name = driver.manifest ?? 'the platform';
    return [
      { name, kind: undefined, info: undefined, features: [], limits: {}, driver, refused: explainRefusal(result) },
    ];
  }
  return result.adapters.map(({ info, features, limits }) => {
    return {
      name: describeAdapter(info),
      kind: classifyAdapter(info),
      info,
      features,
      limits,
      driver,
      refused: undefined,
    };
  });
}

function refusedListing(name: string, driver: AdapterListing['driver'], refused: string): AdapterListing {
  return { name, kind: undefined, info: undefined, features: [], limits: {}, driver, refused };
}

/** The drivers this machine has, in search order, the embedded one last. Linux only. */
export async function findDrivers(): Promise<{
  readonly drivers: readonly DriverManifest[];
  readonly embedded: EmbeddedSwiftShader | undefined;
  readonly whyNotEmbedded: string | undefined;
}> {
  const drivers = systemManifests(process.env);
  const restriction = userRestriction(process.env);
  const { embedded, why } = await embeddedOrWhy();
  if (restriction !== undefined) {
    const whyNotEmbedded = `${restriction.variable}=${restriction.value} hides it`;
    return { drivers, embedded, whyNotEmbedded: embedded === undefined ? why : whyNotEmbedded };
  }
  if (embedded === undefined) return { drivers, embedded, whyNotEmbedded: why };
  return {
    drivers: [...drivers, { path: embedded.manifest, source: 'embedded' }],
    embedded,
    whyNotEmbedded: undefined,
  };
}

/**
 * Asks one driver for its adapters, in a child process of its own.
 *
 * @param embedded gives the Vulkan loader where the system has none
 */
export async function listDriver(
  driver: DriverManifest,
  embedded: EmbeddedSwiftShader | undefined,
): Promise<AdapterListing[]> {
  const loader = loadVulkanLoader(embedded) === 'embedded' ? embedded?.loader : undefined;
  const visible = { which: 'only', manifests: [driver.path] } as const;
  const variables = driverEnvironment(visible, process.env, undefined, true);
  const result = await probeAdapters(dawnFlags(), variables, loader);
  return toListings(result, { source: driver.source, manifest: driver.path });
}

/**
 * Lists every adapter candidate of this machine, with the reason for those that are refused.
 *
 * Each Vulkan driver is asked in a child process of its own, so that each refusal has its driver and a crash does no harm:
 * about 0.3 s per driver, two at a time. On macOS and Windows one child asks the platform.
 */
export async function listAdapters(): Promise<AdapterListing[]> {
  if (process.platform !== 'linux') {
    const result = await probeAdapters(dawnFlags(), {}, undefined);
    return toListings(result, { source: 'platform', manifest: undefined });
  }
  const { drivers, embedded, whyNotEmbedded } = await findDrivers();
  const found: AdapterListing[][] = drivers.map(() => []);
  const queue = drivers.entries();
  const work = async () => {
    // Both workers draw from the one iterator.
    for (const [index, driver] of queue) found[index] = await listDriver(driver, embedded);
  };
  await Promise.all([work(), work()]);
  const listings = found.flat();
  if (whyNotEmbedded !== undefined) {
    const driver = { source: 'embedded', manifest: embedded?.manifest } as const;
    listings.push(refusedListing('the embedded SwiftShader', driver, whyNotEmbedded));
  }
  return listings;
}

/** The listings as indented lines for an error message: adapters first, then refusals. */
export function summarize(listings: readonly AdapterListing[]): string {
  if (listings.length === 0) return '  no Vulkan driver at all';
  const adapters = listings.filter((listing) => listing.refused === undefined);
  const refused = listings.filter((listing) => listing.refused !== undefined);
  return [...adapters, ...refused]
    .map(({ name, kind, refused: why }) => (why === undefined ? `  ${kind}: ${name}` : `  refused: ${name}: ${why}`))
    .join('\n');
}
