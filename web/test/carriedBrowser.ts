/** Unpacks the headless browser that the package @sparticuz/chromium carries, with SwiftShader beside it. */
import { chmod, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { createReadStream, createWriteStream, existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createBrotliDecompress } from 'node:zlib';
import { extract } from 'tar-stream';
import { cacheFolder } from '../../src/engine/node/cacheFolder.ts';

/** Where the browser is, and the libraries it may need where the system lacks them. */
export interface CarriedBrowser {
  readonly executable: string;
  readonly libraries: string;
}

/** Null where the package is not installed or its browser is not for this platform (it is for linux-x64). */
export async function carriedBrowser(): Promise<CarriedBrowser | null> {
  if (process.platform !== 'linux' || process.arch !== 'x64') return null;
  let root: string;
  try {
    root = dirname(createRequire(import.meta.url).resolve('@sparticuz/chromium'));
  } catch {
    return null;
  }
  while (!existsSync(join(root, 'bin', 'chromium.br'))) {
    if (root === dirname(root)) return null;
    root = dirname(root);
  }
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  const target = cacheFolder(`browser-${version}`);
  if (!existsSync(target)) {
    await mkdir(dirname(target), { recursive: true });
    const scratch = await mkdtemp(`${target}.partial-`);
    try {
      await unpack(join(root, 'bin'), scratch);
      // The folder appears whole or not at all; a process that comes second uses the first one's.
      await rename(scratch, target).catch((error: unknown) => {
        if (!existsSync(target)) throw error;
      });
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  }
  return { executable: join(target, 'chromium'), libraries: join(target, 'lib') };
}

async function unpack(packed: string, folder: string): Promise<void> {
  const executable = join(folder, 'chromium');
  await pipeline(
    createReadStream(join(packed, 'chromium.br')),
    createBrotliDecompress(),
    createWriteStream(executable),
  );
  await chmod(executable, 0o755);
  // The browser looks for its graphics drivers beside itself.
  for (const archive of ['swiftshader.tar.br', 'al2023.tar.br']) await unpackTar(join(packed, archive), folder);
}

async function unpackTar(archive: string, folder: string): Promise<void> {
  const entries = extract();
  const reading = pipeline(createReadStream(archive), createBrotliDecompress(), entries);
  // Awaited below; without this a read error that comes before the loop ends would count as unhandled.
  reading.catch(() => undefined);
  for await (const entry of entries) {
    if (entry.header.type !== 'file') {
      entry.resume();
      continue;
    }
    const chunks: Uint8Array[] = [];
    for await (const chunk of entry as AsyncIterable<Uint8Array>) chunks.push(chunk);
    const file = join(folder, entry.header.name);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, Buffer.concat(chunks), { mode: 0o755 });
  }
  await reading;
}
