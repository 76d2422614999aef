/** Finds the Vulkan drivers of this machine and chooses which of them the loader sees. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { constants, homedir } from 'node:os';
import { basename, delimiter, join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import type { EmbeddedSwiftShader } from './swiftshader.ts';

/** The variables by which a user tells the Vulkan loader which drivers exist; the first set one wins, as in the loader. */
const RESTRICTING = ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES'] as const;

/** A driver's manifest (ICD json) that the loader would look at. */
export interface DriverManifest {
  readonly path: string;
  readonly source: 'system' | 'embedded';
}

/** Which Vulkan drivers one Dawn instance is to see. */
export type VisibleDrivers =
  | { readonly which: 'system-and-embedded' }
  | { readonly which: 'system' }
  | { readonly which: 'only'; readonly manifests: readonly string[] };

/** The restricting variable the user has set, if any: then only the drivers named there exist for us. */
export function userRestriction(
  environment: Readonly<Record<string, string | undefined>>,
): { readonly variable: string; readonly value: string } | undefined {
  for (const variable of RESTRICTING) {
    const value = environment[variable];
    if (value !== undefined && value !== '') return { variable, value };
  }
  return undefined;
}

function manifestsAt(path: string): string[] {
  try {
    if (!statSync(path).isDirectory()) return [path];
    return readdirSync(path)
      .filter((name) => name.endsWith('.json'))
      .sort()
      .map((name) => join(path, name));
  } catch {
    // A search path that does not exist or may not be read is not an error for the loader either.
    return [];
  }
}

function splitPaths(value: string | undefined, fallback: string): string[] {
  const chosen = value === undefined || value === '' ? fallback : value;
  return chosen.split(delimiter).filter((path) => path !== '');
}

/**
 * The system's driver manifests in the loader's search order, or those the user's variable names.
 *
 * Source: "Driver Discovery on Linux" in the Khronos loader's LoaderDriverInterface.md.
 */
export function systemManifests(environment: Readonly<Record<string, string | undefined>>): DriverManifest[] {
  const restriction = userRestriction(environment);
  let places: string[];
  if (restriction !== undefined) {
    places = splitPaths(restriction.value, '');
  } else {
    const home = environment.HOME ?? homedir();
    const roots = [
      ...splitPaths(environment.XDG_CONFIG_HOME, join(home, '.config')),
      ...splitPaths(environment.XDG_CONFIG_DIRS, '/etc/xdg'),
      '/etc',
      ...splitPaths(environment.XDG_DATA_HOME, join(home, '.local/share')),
      // A distribution's loader has its own prefix built in and searches it regardless of XDG_DATA_DIRS.
      ...splitPaths(environment.XDG_DATA_DIRS, '/usr/local/share:/usr/share'),
      '/usr/share',
    ];
    places = [
      ...splitPaths(environment.VK_ADD_DRIVER_FILES, ''),
      ...roots.map((root) => join(root, 'vulkan', 'icd.d')),
    ];
  }
  const paths = new Set(places.flatMap(manifestsAt));
  return [...paths].map((path) => ({ path, source: 'system' }));
}

/** Whether a manifest is Mesa lavapipe's (lvp_icd.json, lvp_icd.x86_64.json). */
export function isLavapipeManifest(path: string): boolean {
  return basename(path).startsWith('lvp_icd');
}

/**
 * The variables that make the loader show the wanted drivers.
 *
 * SwiftShader comes FIRST and the loader's own sorting is off: the loader then lists devices from the last driver to the
 * first, Dawn sorts them by class only (stably), so that GPUs come before lavapipe and lavapipe before SwiftShader. With
 * the loader's sorting on, SwiftShader always came first. Measured with the loaders 1.3.239 and Chromium 147's.
 *
 * @param loaderAddsDrivers false for loaders older than 1.3.207, which know no VK_ADD_DRIVER_FILES: those get a full list.
 */
export function driverEnvironment(
  visible: VisibleDrivers,
  environment: Readonly<Record<string, string | undefined>>,
  embedded: string | undefined,
  loaderAddsDrivers: boolean,
): Record<string, string> {
  const sorting = { VK_LOADER_DISABLE_SELECT: environment.VK_LOADER_DISABLE_SELECT ?? '1' };
  if (visible.which === 'only') return { ...sorting, ...only(visible.manifests) };
  if (userRestriction(environment) !== undefined) return {};
  if (visible.which === 'system' || embedded === undefined) return sorting;
  if (!loaderAddsDrivers) {
    return { ...sorting, ...only([embedded, ...systemManifests(environment).map(({ path }) => path)]) };
  }
  const added = environment.VK_ADD_DRIVER_FILES;
  return {
    ...sorting,
    VK_ADD_DRIVER_FILES: added === undefined || added === '' ? embedded : `${embedded}${delimiter}${added}`,
  };
}

function only(manifests: readonly string[]): Record<string, string> {
  const list = manifests.join(delimiter);
  // Loaders older than 1.3.207 know the second name only.
  return { VK_DRIVER_FILES: list, VK_ICD_FILENAMES: list };
}

/**
 * Runs `work` with variables set that native code reads through getenv, and puts the old values back afterwards, so
 * that child processes and later code do not mistake them for the user's.
 */
export async function withEnvironment<T>(variables: Record<string, string>, work: () => Promise<T>): Promise<T> {
  const before = Object.keys(variables).map((name) => [name, process.env[name]] as const);
  for (const [name, value] of Object.entries(variables)) process.env[name] = value;
  try {
    return await work();
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}

/** In a worker thread `process.env` is a copy that native code never sees: drivers cannot be chosen there. */
export function canSetNativeEnvironment(): boolean {
  return isMainThread;
}

/** Which Vulkan loader Dawn will find in this process. */
export type LoaderOrigin = 'system' | 'embedded' | 'none';

/** Flag of dlopen(3) on Linux: keep the library although Node closes it again. */
const RTLD_NODELETE = 0x1000;
const SONAME = 'libvulkan.so.1';

function loadLibrary(path: string): boolean {
  try {
    process.dlopen({ exports: {} }, path, constants.dlopen.RTLD_NOW | RTLD_NODELETE);
    return true;
  } catch (error) {
    // Loaded, but not a Node addon, as intended. Dawn's own dlopen finds it by its soname from now on.
    return error instanceof Error && error.message.includes('did not self-register');
  }
}

let loaded: LoaderOrigin = 'none';

/** Loads the system's Vulkan loader, or the embedded one where the system has none. */
export function loadVulkanLoader(embedded: EmbeddedSwiftShader | undefined): LoaderOrigin {
  // Remembered, because once the embedded loader is loaded, its soname resolves like a system loader's.
  if (loaded !== 'none') return loaded;
  if (loadLibrary(SONAME)) loaded = 'system';
  else if (embedded !== undefined && loadLibrary(embedded.loader)) loaded = 'embedded';
  return loaded;
}

/** Whether the loader in this process knows VK_ADD_DRIVER_FILES; call after `loadVulkanLoader`. */
export function loaderAddsDrivers(): boolean {
  try {
    const line = readFileSync('/proc/self/maps', 'utf8')
      .split('\n')
      .find((candidate) => /\/libvulkan\.so[.\d]*$/.test(candidate));
    const path = line?.slice(line.indexOf('/'));
    return path === undefined || readFileSync(path).includes('VK_ADD_DRIVER_FILES');
  } catch {
    // Without /proc, assume a loader of recent years (1.3.207 is from February 2022).
    return true;
  }
}
