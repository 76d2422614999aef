/** Unpacks the embedded software adapter, SwiftShader, from the package that carries it. */
import { createReadStream } from 'node:fs';
import { access, lstat, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createBrotliDecompress } from 'node:zlib';
import type * as tar from 'tar-stream';
import { GmtlError } from '../errors.ts';
import { errorCode, makeFolders } from './atomic.ts';
import { cacheFolder } from './cacheFolder.ts';
import { requireOptional, resolveOptional } from './optional.ts';

/** The npm package whose archive carries SwiftShader (a Vulkan driver that runs on the CPU) and a Vulkan loader. */
const CARRIER = '@sparticuz/chromium';
const MANIFEST = 'vk_swiftshader_icd.json';
const LOADER = 'libvulkan.so.1';
/** The archive also holds the OpenGL libraries, 8 MB that Dawn never asks for. */
const WANTED: readonly string[] = [MANIFEST, 'libvk_swiftshader.so', LOADER];

/** Where the embedded software adapter lies after unpacking. Paths are absolute. */
export interface EmbeddedSwiftShader {
  /** The driver's manifest (ICD json), for VK_DRIVER_FILES. */
  readonly manifest: string;
  /** The Vulkan loader that came with it. */
  readonly loader: string;
  readonly version: string;
  /** Set when the cache folder could not be used and the temporary folder was taken instead: says why. */
  readonly note: string | undefined;
}

interface Carrier {
  readonly archive: string;
  readonly version: string;
}

function isErrorCode(error: unknown, codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code));
}

async function findCarrier(): Promise<Carrier> {
  // The package exports only its entry point, so its folder is found by walking up from there.
  let folder = dirname(resolveOptional(CARRIER));
  for (;;) {
    const description = join(folder, 'package.json');
    try {
      const parsed: unknown = JSON.parse(await readFile(description, 'utf8'));
      if (typeof parsed === 'object' && parsed !== null && 'name' in parsed && parsed.name === CARRIER) {
        const version = 'version' in parsed ? String(parsed.version) : 'unknown';
        return { archive: join(folder, 'bin', 'swiftshader.tar.br'), version };
      }
    } catch (error) {
      if (!isErrorCode(error, ['ENOENT'])) throw error;
    }
    const parent = dirname(folder);
    if (parent === folder) throw new Error(`no package.json of ${CARRIER} above its entry point`);
    folder = parent;
  }
}

async function isUnpacked(folder: string): Promise<boolean> {
  try {
    await Promise.all(WANTED.map((name) => access(join(folder, name))));
    return true;
  } catch {
    return false;
  }
}

async function extractWanted(archive: string, folder: string): Promise<void> {
  const found = new Set<string>();
  const { extract } = requireOptional<typeof tar>('tar-stream');
  const entries = extract();
  const reading = pipeline(createReadStream(archive), createBrotliDecompress(), entries);
  // Awaited below; without this a read error that comes before the loop ends would count as unhandled.
  reading.catch(() => undefined);
  for await (const entry of entries) {
    const { name, type } = entry.header;
    if (type === 'file' && WANTED.includes(name)) {
      const chunks: Uint8Array[] = [];
      for await (const chunk of entry as AsyncIterable<Uint8Array>) chunks.push(chunk);
      await writeFile(join(folder, name), Buffer.concat(chunks), { mode: name === MANIFEST ? 0o644 : 0o755 });
      found.add(name);
    } else {
      entry.resume();
    }
  }
  await reading;
  const missing = WANTED.filter((name) => !found.has(name));
  if (missing.length > 0) throw new Error(`${archive} does not contain ${missing.join(', ')}`);
}

/**
 * Unpacks into a folder of the cache, named for the package's version, unless that is there already.
 *
 * Any number of processes may do this at once: each unpacks into a folder of its own, and the rename that publishes it
 * is atomic; a process that comes second finds the name taken and uses the winner's files.
 */
async function unpack(carrier: Carrier, root?: string): Promise<string> {
  const target = cacheFolder(`swiftshader-${carrier.version}-${process.arch}`, root);
  if (await isUnpacked(target)) return target;
  makeFolders(dirname(target));
  const scratch = await mkdtemp(`${target}.partial-`);
  try {
    await extractWanted(carrier.archive, scratch);
    try {
      await rename(scratch, target);
    } catch (error) {
      if (!isErrorCode(error, ['ENOTEMPTY', 'EEXIST'])) throw error;
      if (!(await isUnpacked(target))) {
        throw new Error(`${target} exists but is incomplete; delete it and try again`, { cause: error });
      }
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return target;
}

/** A folder of this user's own below the temporary folder: libraries are loaded from it, so nobody else may write there. */
async function temporaryRoot(): Promise<string> {
  const user = process.getuid?.();
  const root = join(tmpdir(), `gmtl-${user ?? 'cache'}`);
  makeFolders(dirname(root));
  await mkdir(root, { mode: 0o700 }).catch((error: unknown) => {
    if (errorCode(error) !== 'EEXIST') throw error;
  });
  const status = await lstat(root);
  if (!status.isDirectory() || (user !== undefined && status.uid !== user) || (status.mode & 0o022) !== 0) {
    throw new Error(`${root} is not a folder that only this user can write to`);
  }
  return root;
}

/**
 * Makes the embedded SwiftShader available, unpacking it once (3.5 MB compressed, 7 MB unpacked) to the cache (see `cacheRoot`), or to
 * the temporary folder where that is not writable.
 *
 * @throws GmtlError `adapter/no-swiftshader` where there is none for this platform, or it could not be unpacked; `install/missing` without its package.
 */
export async function provideSwiftShader(): Promise<EmbeddedSwiftShader> {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new GmtlError(
      'adapter/no-swiftshader',
      `The embedded SwiftShader is built for linux-x64 only, this is ${process.platform}-${process.arch}. ` +
        (process.platform === 'linux' ? 'Install Mesa 23 or newer (mesa-vulkan-drivers) for a software adapter.' : ''),
    );
  }
  try {
    const carrier = await findCarrier();
    let folder: string;
    let note: string | undefined;
    try {
      folder = await unpack(carrier);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      const root = await temporaryRoot();
      folder = await unpack(carrier, root);
      note = `the cache folder could not be used (${why}), so it was unpacked to ${root}`;
    }
    return { manifest: join(folder, MANIFEST), loader: join(folder, LOADER), version: carrier.version, note };
  } catch (error) {
    if (error instanceof GmtlError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new GmtlError(
      'adapter/no-swiftshader',
      `The embedded SwiftShader could not be unpacked: ${why}. Check that ` +
        '$GMTL_CACHE_DIR, $XDG_CACHE_HOME (or ~/.cache) or the temporary folder is writable.',
      { cause: error },
    );
  }
}
