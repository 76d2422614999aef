/** Sets up Mesa's RADV without a GPU: AMD's compiler behind a device that runs nothing. */
import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GmtlError } from '../src/engine/errors.ts';
import { cacheFolder } from '../src/engine/node/cacheFolder.ts';
import { systemManifests } from '../src/engine/node/vulkan.ts';
import { makeFolders } from '../src/engine/node/atomic.ts';

/** Families of AMD GPUs: RDNA 3, 2 and 4, then GCN 5 with and without memory of its own. */
export const FAMILIES = ['navi31', 'navi21', 'gfx1201', 'vega20', 'renoir'] as const;
export type Family = (typeof FAMILIES)[number];

const LAYER = 'VK_LAYER_GMTL_compile_only';

function radvManifest(): string | undefined {
  return systemManifests(process.env).find(({ path }) => /radeon.*\.json$/.test(path))?.path;
}

function layerSource(): string {
  const here = fileURLToPath(new URL('compileOnly.c', import.meta.url));
  return existsSync(here) ? here : here.replace(/\/dist(?=\/bench\/compileOnly\.c$)/, '');
}

/**
 * The environment of a process that compiles for `family` without a GPU.
 * @throws GmtlError `bench/null-device` where RADV or a C compiler is missing.
 */
export function nullDevice(family: Family): Record<string, string> {
  const manifest = process.platform === 'linux' ? radvManifest() : undefined;
  if (!manifest) {
    throw new GmtlError(
      'bench/null-device',
      "Mesa's RADV is not installed (radeon_icd.json in the Vulkan loader's folders): install mesa-vulkan-drivers, version 25 or newer, on Linux",
    );
  }
  const folder = cacheFolder('compile-only');
  const library = join(folder, 'layer.so');
  makeFolders(folder);
  try {
    execFileSync('cc', ['-O1', '-shared', '-fPIC', '-o', library, layerSource()], { stdio: 'pipe' });
  } catch (error) {
    throw new GmtlError(
      'bench/null-device',
      `cc does not build ${layerSource()}, which lets Dawn use RADV without a GPU: install a C compiler\n${error instanceof Error ? error.message : error}`,
    );
  }
  const layer = {
    name: LAYER,
    type: 'GLOBAL',
    library_path: library,
    api_version: '1.3.0',
    implementation_version: '1',
    description: 'pipelines are compiled, nothing runs',
  };
  writeFileSync(join(folder, 'layer.json'), JSON.stringify({ file_format_version: '1.2.0', layer }));
  return {
    RADV_FORCE_FAMILY: family,
    VK_DRIVER_FILES: manifest,
    VK_ICD_FILENAMES: manifest,
    VK_LAYER_PATH: folder,
    VK_INSTANCE_LAYERS: LAYER,
  };
}
