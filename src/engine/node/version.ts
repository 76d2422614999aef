/** The version of gmtl. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The version in gmtl's own package.json: the sources and the compiled files lie at different depths below it. */
export function gmtlVersion(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); folder !== dirname(folder); folder = dirname(folder)) {
    const content = readIfPresent(join(folder, 'package.json'));
    if (content === undefined) continue;
    const { name, version } = JSON.parse(content) as { name?: string; version?: string };
    if (name === 'gmtl' && version !== undefined) return version;
  }
  throw new Error('package.json of gmtl was not found above its own files');
}

function readIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
