/** Where everything that can be computed again is kept between runs: decoded images, thumbnails, tuned kernels, the software adapter. */
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';

/**
 * The cache's root: `$GMTL_CACHE_DIR`, else `gmtl` in the system's cache folder (`$XDG_CACHE_HOME` or `~/.cache`, `~/Library/Caches`,
 * `%LOCALAPPDATA%`). Absolute. It can be deleted at any time.
 */
export function cacheRoot(
  environment: Readonly<Record<string, string | undefined>> = process.env,
  platform: string = process.platform,
): string {
  const { GMTL_CACHE_DIR, XDG_CACHE_HOME, LOCALAPPDATA } = environment;
  if (GMTL_CACHE_DIR) return resolve(GMTL_CACHE_DIR);
  // The XDG base directory specification: a relative path is invalid and is to be ignored.
  if (XDG_CACHE_HOME && isAbsolute(XDG_CACHE_HOME)) return join(XDG_CACHE_HOME, 'gmtl');
  if (platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'gmtl');
  if (platform === 'win32') return join(LOCALAPPDATA ?? join(homedir(), 'AppData', 'Local'), 'gmtl');
  return join(homedir(), '.cache', 'gmtl');
}

/** The cache's folder of the given name, which need not exist yet. `root`: another root that the user chose. */
export function cacheFolder(name: string, root: string = cacheRoot()): string {
  return join(root, name);
}
