import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageRoot } from './shaderFiles.ts';

/** Files below `folder` whose names end on `ending`, as paths from there, sorted. */
function filesBelow(folder: string, ending: RegExp): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => ending.test(path) && !/\.(test|d)\.ts$/.test(path))
    .sort();
}

let known: string | null = null;

/**
 * What a measured choice of kernels depends on besides the adapter: every shader, the code that plans dispatches and the one that makes devices (as this
 * process runs it: compiled or not). 16 hexadecimal digits; about 15 ms the first time.
 */
export function kernelsHash(): string {
  if (known) return known;
  const hash = createHash('sha256');
  const shaders = join(packageRoot(), 'shaders');
  const [plans, devices] = ['../ops/', '../gpu/'].map((folder) => fileURLToPath(new URL(folder, import.meta.url)));
  for (const [folder, ending] of [
    [shaders, /\.wgsl$/],
    [plans, /\.(ts|js)$/],
    [devices, /\.(ts|js)$/],
  ] as const) {
    for (const path of filesBelow(folder, ending)) hash.update(`${path}\0`).update(readFileSync(join(folder, path)));
  }
  known = hash.digest('hex').slice(0, 16);
  return known;
}
