/** Hashes what a measured choice of kernels depends on besides the adapter. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Source files below `folder` as paths from there, sorted. */
function sourcesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => /\.(ts|js)$/.test(path) && !/\.(test|d)\.ts$/.test(path))
    .sort();
}

let known: string | null = null;

/**
 * A hash of the code that plans dispatches and the code that makes devices, the text of every shader included (gpu/shaderText.generated.ts), in the
 * form that this process runs: sources or compiled. 16 hexadecimal digits; about 15 ms the first time.
 */
export function kernelsHash(): string {
  if (known) return known;
  const hash = createHash('sha256');
  for (const part of ['../ops/', '../gpu/']) {
    const folder = fileURLToPath(new URL(part, import.meta.url));
    for (const path of sourcesBelow(folder)) hash.update(`${path}\0`).update(readFileSync(join(folder, path)));
  }
  known = hash.digest('hex').slice(0, 16);
  return known;
}
