/**
 * Finds and opens a GPU adapter in Node, through Dawn (the npm package `webgpu`).
 *
 * One Dawn instance sees all drivers at once, and the order in which they are shown to it sets the preference (see
 * `driverEnvironment`), because a process should create only one instance: a second one beside the first aborted on
 * lavapipe.
 */
import type * as Dawn from 'webgpu';
import { GmtlError } from '../errors.ts';
import { type AdapterKind, classifyAdapter, matchesName, readAdapterInfo } from '../gpu/classify.ts';
import { type AdapterListing, dawnFlags, findDrivers, listAdapters, listDriver, summarize } from './list.ts';
import { importOptional } from './optional.ts';
import { REQUESTS } from './probe.ts';
import type { EmbeddedSwiftShader } from './swiftshader.ts';
import {
  canSetNativeEnvironment,
  driverEnvironment,
  isLavapipeManifest,
  type LoaderOrigin,
  loaderAddsDrivers,
  loadVulkanLoader,
  userRestriction,
  type VisibleDrivers,
  withEnvironment,
} from './vulkan.ts';

export type { AdapterInfo, AdapterKind } from '../gpu/classify.ts';
export type { AdapterListing } from './list.ts';
export { listAdapters } from './list.ts';

/**
 * `auto`: the best there is; `gpu`: hardware or an error; `software`: lavapipe or SwiftShader even beside a GPU; anything
 * else: a case-insensitive part of the adapter's kind, vendor, architecture, device or description, such as `llvmpipe`,
 * `swiftshader` or `nvidia`.
 */
export type AdapterChoice = 'auto' | 'gpu' | 'software' | (string & {});

export interface OpenedAdapter {
  readonly adapter: GPUAdapter;
  readonly kind: AdapterKind;
  /** Why this one was taken, in a sentence. */
  readonly reason: string;
  /**
   * Drops the reference to Dawn's instance (a second later, or when the process ends before that), which could otherwise
   * keep the process from ending. Destroy the device first. Calling it again does nothing.
   */
  release(): void;
}

/** What a choice means: the drivers to show to Dawn, the requests to make of it, and which answer is acceptable. */
interface Plan {
  readonly label: string;
  readonly visible: VisibleDrivers;
  readonly requests: readonly GPURequestAdapterOptions[];
  readonly accepts: (adapter: GPUAdapter) => boolean;
  readonly embedded: EmbeddedSwiftShader | undefined;
}

type Drivers = Awaited<ReturnType<typeof findDrivers>>['drivers'];

interface SharedInstance {
  readonly gpu: GPU;
  readonly key: string;
  users: number;
}

/** Far longer than a destroyed device's last callbacks take (a few turns of the event loop). */
const GRACE_MILLISECONDS = 1000;

let shared: SharedInstance | undefined;
let previous: Promise<unknown> = Promise.resolve();

/**
 * Finds and opens an adapter.
 *
 * @param choice which adapter; where it is `auto` or left out, the environment variable GMTL_ADAPTER decides if it is set
 * @param options.dawnFeatures Dawn toggles to enable on top of the usual ones, such as `dump_shaders` or `skip_validation`;
 * one with a leading `-` is disabled instead. GMTL_DAWN_TOGGLES names more of them, separated by commas
 * @throws GmtlError `adapter/not-found` with a list of what was found, when nothing fits the choice; `adapter/one-instance`
 * when an adapter is still open in this process that was opened with other drivers or toggles.
 */
export async function openAdapter(
  choice: AdapterChoice = 'auto',
  options: { dawnFeatures?: readonly string[] } = {},
): Promise<OpenedAdapter> {
  // One after the other: each sets environment variables of the whole process for a moment.
  const toggles = (process.env.GMTL_DAWN_TOGGLES ?? '').split(',').filter((name) => name !== '');
  const opening = previous.then(() => openNow(choice, [...toggles, ...(options.dawnFeatures ?? [])]));
  previous = opening.catch(() => undefined);
  return opening;
}

async function openNow(choice: AdapterChoice, dawnFeatures: readonly string[]): Promise<OpenedAdapter> {
  // First of all: without Dawn there is nothing to choose.
  const { create } = await importOptional<typeof Dawn>('webgpu');
  const plan = await planFor(choice);
  const linux = process.platform === 'linux';
  const loader: LoaderOrigin = linux ? loadVulkanLoader(plan.embedded) : 'system';
  const variables = linux
    ? driverEnvironment(plan.visible, process.env, plan.embedded?.manifest, loaderAddsDrivers())
    : {};
  const found = await withEnvironment(canSetNativeEnvironment() ? variables : {}, async () => {
    const instance = acquire(create, dawnFlags(dawnFeatures), variables);
    try {
      for (const request of plan.requests) {
        const adapter = await requestAdapter(instance.gpu, request);
        if (adapter !== null && plan.accepts(adapter)) return opened(adapter, instance, plan, loader);
      }
    } catch (error) {
      letGo(instance);
      throw error;
    }
    letGo(instance);
    return undefined;
  });
  // Listed only now: the user's own environment, which says which drivers may be used, is restored.
  if (found === undefined) throw notFound(plan.label, await listAdapters());
  return found;
}

async function requestAdapter(gpu: GPU, request: GPURequestAdapterOptions): Promise<GPUAdapter | null> {
  try {
    return await gpu.requestAdapter(request);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new GmtlError('adapter/dawn', `Dawn failed while it looked for an adapter: ${why}`, { cause: error });
  }
}

/** The one instance of this process, shared by all adapters opened with the same drivers and toggles. */
function acquire(create: typeof Dawn.create, flags: string[], variables: Record<string, string>): SharedInstance {
  const key = JSON.stringify([flags, variables]);
  if (shared !== undefined && shared.key !== key && shared.users > 0) {
    throw new GmtlError(
      'adapter/one-instance',
      'This process has an adapter open that was chosen with other drivers or Dawn toggles, and a second Dawn instance ' +
        'beside the first can abort the process. Release the first adapter, or use a second process.',
    );
  }
  if (shared?.key !== key) shared = { gpu: create(flags), key, users: 0 };
  shared.users += 1;
  return shared;
}

/**
 * Drops an instance after a while instead of at once: Dawn's bindings still run callbacks of a destroyed device on it, and
 * once the garbage collector had taken it, 2 of 100 processes crashed in `InstanceBase::ProcessEvents` at their end
 * (webgpu 0.6.2). The timer does not keep the process alive.
 */
function letGo(instance: SharedInstance): void {
  instance.users -= 1;
  if (instance.users > 0) return;
  const drop = () => {
    if (instance.users === 0 && shared === instance) shared = undefined;
  };
  setTimeout(drop, GRACE_MILLISECONDS).unref();
}

function opened(adapter: GPUAdapter, instance: SharedInstance, plan: Plan, loader: LoaderOrigin): OpenedAdapter {
  const kind = classifyAdapter(readAdapterInfo(adapter.info));
  let held: SharedInstance | undefined = instance;
  return {
    adapter,
    kind,
    reason: explain(plan, kind, loader),
    release() {
      if (held === undefined) return;
      letGo(held);
      held = undefined;
    },
  };
}

async function planFor(choice: AdapterChoice): Promise<Plan> {
  const fromEnvironment = process.env.GMTL_ADAPTER ?? '';
  const overridden = choice === 'auto' && fromEnvironment !== '';
  const name = (overridden ? fromEnvironment : choice).trim();
  const label = overridden ? `${name} (from GMTL_ADAPTER)` : name;
  if (name === '') {
    throw new GmtlError(
      'adapter/not-found',
      "The adapter's name is empty; write auto, gpu, software or part of a name.",
    );
  }
  const { drivers, embedded } =
    process.platform === 'linux' ? await findDrivers() : { drivers: [], embedded: undefined };
  const everything: VisibleDrivers = { which: 'system-and-embedded' };
  switch (name.toLowerCase()) {
    case 'auto':
      return { label, visible: everything, requests: [REQUESTS[0]], accepts: () => true, embedded };
    case 'gpu':
      return { label, visible: { which: 'system' }, requests: REQUESTS.slice(0, 2), accepts: isHardware, embedded };
    case 'software': {
      // Only the software drivers are shown. The plain request comes first because the first request fixes the order of
      // the devices for the instance's life, and forceFallbackAdapter as the first one puts SwiftShader before lavapipe.
      const manifests = softwareManifests(drivers);
      const visible: VisibleDrivers = manifests.length === 0 ? everything : { which: 'only', manifests };
      return {
        label,
        visible,
        requests: [REQUESTS[0], { forceFallbackAdapter: true }],
        accepts: (adapter) => !isHardware(adapter),
        embedded,
      };
    }
    default: {
      const accepts = (adapter: GPUAdapter) => matchesName(readAdapterInfo(adapter.info), name);
      if (process.platform !== 'linux') return { label, visible: everything, requests: REQUESTS, accepts, embedded };
      const manifests = await manifestsOf(name, drivers, embedded);
      return { label, visible: { which: 'only', manifests }, requests: REQUESTS, accepts, embedded };
    }
  }
}

function isHardware(adapter: GPUAdapter): boolean {
  return classifyAdapter(readAdapterInfo(adapter.info)) === 'hardware';
}

/** SwiftShader and lavapipe, in the order that makes lavapipe the first device (see `driverEnvironment`). */
function softwareManifests(drivers: Drivers): string[] {
  // Drivers that the user names are shown as they are: their files may be called anything.
  if (userRestriction(process.env) !== undefined) return [];
  return [
    ...drivers.filter(({ source }) => source === 'embedded'),
    ...drivers.filter(({ path }) => isLavapipeManifest(path)),
  ].map(({ path }) => path);
}

/**
 * The driver behind a name. A request cannot choose between two software adapters, so only the right driver is shown to
 * Dawn. The software ones are known by their manifests; for other names the drivers are asked in child processes, first
 * those with the name in their manifest's file name (nvidia_icd.json), until one fits.
 */
async function manifestsOf(
  name: string,
  drivers: Drivers,
  embedded: EmbeddedSwiftShader | undefined,
): Promise<readonly string[]> {
  const wanted = name.toLowerCase();
  const known = drivers.filter(({ path, source }) =>
    wanted === 'swiftshader' ? source === 'embedded' : /^(llvmpipe|lavapipe)$/.test(wanted) && isLavapipeManifest(path),
  );
  if (known.length > 0) return known.map(({ path }) => path);
  const calledSo = (path: string) => path.toLowerCase().includes(wanted);
  const ordered = [...drivers.filter(({ path }) => calledSo(path)), ...drivers.filter(({ path }) => !calledSo(path))];
  const seen: AdapterListing[] = [];
  for (const driver of ordered) {
    const listings = await listDriver(driver, embedded);
    if (listings.some(({ info }) => info !== undefined && matchesName(info, name))) return [driver.path];
    seen.push(...listings);
  }
  throw notFound(name, seen);
}

function notFound(label: string, listings: readonly AdapterListing[]): GmtlError {
  const restriction = process.platform === 'linux' ? userRestriction(process.env) : undefined;
  const what = label === 'auto' ? 'No WebGPU adapter was found.' : `No adapter fits "${label}".`;
  const advice = label.startsWith('gpu')
    ? 'Install the Vulkan driver of your GPU (in a container also pass the device in: /dev/dri, or the NVIDIA runtime ' +
      'with the graphics capability), or choose auto or software.'
    : 'Choose auto, gpu, software or part of a name above; Mesa must be version 23 or newer.';
  const hidden =
    restriction === undefined
      ? ''
      : ` ${restriction.variable} is set to ${restriction.value}: only the drivers it names are looked at; unset it to see all.`;
  const thread = canSetNativeEnvironment()
    ? ''
    : ' In a worker thread the embedded SwiftShader cannot be shown to Vulkan.';
  return new GmtlError('adapter/not-found', `${what} Found:\n${summarize(listings)}\n${advice}${hidden}${thread}`);
}

function explain(plan: Plan, kind: AdapterKind, loader: LoaderOrigin): string {
  const sentences = [`${whyThisKind(plan, kind)}.`];
  const restriction = process.platform === 'linux' ? userRestriction(process.env) : undefined;
  if (restriction !== undefined && plan.visible.which !== 'only') {
    sentences.push(`Only the drivers named by ${restriction.variable} were looked at.`);
  }
  if (loader === 'embedded') sentences.push('The system has no Vulkan loader, so the embedded one is used.');
  if (kind === 'swiftshader' && plan.embedded?.note !== undefined) {
    sentences.push(`SwiftShader's files: ${plan.embedded.note}.`);
  }
  return sentences.join(' ');
}

function whyThisKind(plan: Plan, kind: AdapterKind): string {
  if (plan.label !== 'auto') return `chosen because "${plan.label}" was asked for`;
  switch (kind) {
    case 'hardware':
      return 'the hardware GPU, which comes before any software adapter';
    case 'lavapipe':
      return 'there is no hardware GPU, and lavapipe is the fastest software adapter';
    case 'swiftshader':
      return 'there is no hardware GPU and no lavapipe that Dawn accepts (Mesa 23 or newer), and SwiftShader runs everywhere';
    case 'other-software':
      return 'there is no hardware GPU, and this is the software adapter that the system offers';
    default:
      return kind satisfies never;
  }
}
