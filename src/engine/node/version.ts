/** What gmtl's own package.json says. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

interface OwnPackage {
  readonly name: string;
  readonly version: string;
  /** Packages that only Node needs, with their versions. */
  readonly optionalDependencies: Readonly<Record<string, string>>;
}

/** gmtl's own package.json: the sources and the compiled files lie at different depths below it. */
export function ownPackage(): OwnPackage {
  for (let folder = dirname(fileURLToPath(import.meta.url)); folder !== dirname(folder); folder = dirname(folder)) {
    const content = readIfPresent(join(folder, 'package.json'));
    if (content === undefined) continue;
    const own = JSON.parse(content) as OwnPackage;
    if (own.name === 'gmtl') return own;
  }
  throw new Error('package.json of gmtl was not found above its own files');
}

/** The version in gmtl's own package.json. */
export function gmtlVersion(): string {
  return ownPackage().version;
}

function readIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
