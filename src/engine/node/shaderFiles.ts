import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GmtlError } from '../errors.ts';
import type { ShaderFiles } from '../gpu/shaders.ts';

/** The package's own folder: the nearest one above this file that holds shaders/ (from src/ and from dist/ alike). */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'shaders', 'common'))) {
    const parent = dirname(folder);
    if (parent === folder)
      throw new GmtlError('gpu/shader', 'the folder shaders/ of gmtl is missing; install the package again');
    folder = parent;
  }
  return folder;
}

/** Reads shaders/ of the installed package. */
export function diskShaders(): ShaderFiles {
  const root = join(packageRoot(), 'shaders');
  return (path) => {
    try {
      return readFileSync(join(root, path), 'utf8');
    } catch (cause) {
      throw new GmtlError('gpu/shader', `shader file shaders/${path} cannot be read`, { cause });
    }
  };
}
