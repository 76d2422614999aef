import { homedir } from 'node:os';
import { join } from 'node:path';

/**
 * The default folder for everything the data pipeline may recompute: `$GMTL_CACHE_DIR`, else `gmtl` in the system's cache
 * folder (`$XDG_CACHE_HOME` or `~/.cache`, `~/Library/Caches`, `%LOCALAPPDATA%`). It can be deleted at any time.
 */
export function defaultCacheFolder(
  environment: NodeJS.ProcessEnv = process.env,
  platform: NodeJS.Platform = process.platform,
): string {
  if (environment.GMTL_CACHE_DIR) return environment.GMTL_CACHE_DIR;
  if (environment.XDG_CACHE_HOME) return join(environment.XDG_CACHE_HOME, 'gmtl');
  if (platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'gmtl');
  if (platform === 'win32') return join(environment.LOCALAPPDATA ?? join(homedir(), 'AppData', 'Local'), 'gmtl');
  return join(homedir(), '.cache', 'gmtl');
}
